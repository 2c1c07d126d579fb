import {
  createSourceEventStream,
  executeSubscriptionEvent,
  Kind,
  mapSourceToResponseEvent,
  validateSubscriptionArgs,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
} from 'graphql';

/**
 * graphql's `subscribe`, except that a chunk of output is executed once for all who watch it by the same
 * document: a thousand dashboards on one job get a thousand copies of one result. Executing is by far the
 * largest part of what a subscriber costs.
 */
export function createSubscribe(): (
  args: ExecutionArgs,
) => Promise<AsyncIterable<ExecutionResult> | ExecutionResult> {
  /** By chunk, then by document. The log gives the same chunk to all who read the same bytes. */
  const results = new WeakMap<object, WeakMap<DocumentNode, ExecutionResult>>();
  const shareable = new WeakMap<DocumentNode, boolean>();

  return async (args) => {
    const { document } = args;
    const validated = validateSubscriptionArgs(args);
    if (!('schema' in validated)) return { errors: validated };
    const source = await createSourceEventStream(validated);
    if (!(Symbol.asyncIterator in source)) return source;
    let isShared = shareable.get(document);
    if (isShared === undefined) {
      isShared = isPlainOutput(document);
      shareable.set(document, isShared);
    }
    if (!isShared) return mapSourceToResponseEvent(validated, source);
    return mapSourceToResponseEvent(validated, source, (event) => {
      const { rootValue } = event;
      if (typeof rootValue !== 'object' || rootValue === null)
        return executeSubscriptionEvent(event);
      const known = results.get(rootValue)?.get(document);
      if (known !== undefined) return known;
      const result = executeSubscriptionEvent(event);
      if ('then' in result) return result;
      const ofChunk = results.get(rootValue) ?? new WeakMap<DocumentNode, ExecutionResult>();
      results.set(rootValue, ofChunk.set(document, result));
      return result;
    });
  };
}

/**
 * Whether a document asks only for what a chunk itself says, which is the same for all who may see it. Its
 * `job` has fields of its own, which ask who reads them.
 */
function isPlainOutput({ definitions }: DocumentNode): boolean {
  const [operation] = definitions;
  if (definitions.length !== 1 || operation?.kind !== Kind.OPERATION_DEFINITION) return false;
  const [root, ...others] = operation.selectionSet.selections;
  return (
    others.length === 0 &&
    root?.kind === Kind.FIELD &&
    root.name.value === 'output' &&
    root.selectionSet !== undefined &&
    root.selectionSet.selections.every(
      (field) =>
        field.kind === Kind.FIELD &&
        field.selectionSet === undefined &&
        (field.directives ?? []).length === 0,
    )
  );
}
