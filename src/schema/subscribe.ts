import {
  createSourceEventStream,
  executeSubscriptionEvent,
  Kind,
  mapSourceToResponseEvent,
  validateSubscriptionArgs,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type FieldNode,
  type SelectionNode,
  type ValidatedSubscriptionArgs,
} from 'graphql';
import type { Following } from '../jobs/follow.ts';
import type { OutputChunk } from '../jobs/output-chunk.ts';

/** A subscription whose answers are the same for all who ask by the same document. */
export interface SharedAnswers {
  readonly chunks: Following<OutputChunk>;
  /** The answer to a chunk, an `ExecutionResult` in JSON. Throws when there are errors in it. */
  readonly toJson: (chunk: OutputChunk) => string;
}

export interface Subscriber {
  readonly subscribe: (
    args: ExecutionArgs,
  ) => Promise<AsyncIterable<ExecutionResult> | ExecutionResult>;
  /** For a transport that can send JSON as it is, instead of iterating what `subscribe` gave with this context. */
  takeShared(context: object): SharedAnswers | undefined;
}

/** The answer to one chunk by one document. */
interface Answer {
  readonly chunk: OutputChunk;
  readonly document: DocumentNode;
  readonly result: ExecutionResult;
  json?: string;
}

/** Who follows a log that grows reads what was printed just now, and no more than a few do between two rounds. */
const MAX_KEPT = 32;
/** Of longer ones executing is the least that they cost. */
const MAX_KEPT_BYTES = 16 * 1024;

/**
 * graphql's `subscribe`, except that a chunk of output is executed, and made JSON, once for all who watch it
 * by the same document: a thousand dashboards on one job get a thousand copies of one result. Executing is by
 * far the largest part of what a subscriber costs; then come the iterators that each event passes through.
 */
export function createSubscriber(): Subscriber {
  /** The newest first. The log gives the same chunk to all who read the same bytes. */
  const kept: Answer[] = [];
  const shareable = new WeakMap<DocumentNode, boolean>();
  const shared = new WeakMap<object, SharedAnswers>();

  function answer(
    args: ValidatedSubscriptionArgs,
    document: DocumentNode,
    chunk: OutputChunk,
  ): Answer {
    const known = kept.find((each) => each.chunk === chunk && each.document === document);
    if (known !== undefined) return known;
    const result = executeSubscriptionEvent({ ...args, rootValue: chunk });
    if ('then' in result) throw new Error('a chunk has to be asked for nothing that takes time');
    const made: Answer = { chunk, document, result };
    if (chunk.end - chunk.offset <= MAX_KEPT_BYTES) {
      kept.unshift(made);
      kept.splice(MAX_KEPT);
    }
    return made;
  }

  return {
    async subscribe(args) {
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
      shared.set(args.contextValue as object, {
        // What the field `output` gives, and graphql hands on.
        chunks: source as unknown as Following<OutputChunk>,
        toJson(chunk) {
          const made = answer(validated, document, chunk);
          const [error] = made.result.errors ?? [];
          if (error !== undefined) throw error;
          return (made.json ??= JSON.stringify(made.result));
        },
      });
      return mapSourceToResponseEvent(
        validated,
        source,
        ({ rootValue }) => answer(validated, document, rootValue as OutputChunk).result,
      );
    },
    takeShared(context) {
      const found = shared.get(context);
      shared.delete(context);
      return found;
    },
  };
}

/** What a job says of itself that never changes, and takes no time; Pothos makes an `id` with a promise. */
const PLAIN_JOB_FIELDS: ReadonlySet<string> = new Set(['key', '__typename']);

/**
 * Whether a document asks only for what a chunk itself says, and which job's it is: that is the same for all who
 * may see it. Fragments and directives are left to graphql.
 */
function isPlainOutput({ definitions }: DocumentNode): boolean {
  const [operation, ...others] = definitions;
  if (others.length > 0 || operation?.kind !== Kind.OPERATION_DEFINITION) return false;
  const [root, ...more] = operation.selectionSet.selections;
  return (
    more.length === 0 &&
    isPlain(root) &&
    root.name.value === 'output' &&
    everyField(root, (field) =>
      field.name.value === 'job'
        ? everyField(field, ({ name }) => PLAIN_JOB_FIELDS.has(name.value))
        : field.selectionSet === undefined,
    )
  );
}

function everyField(field: FieldNode, test: (field: FieldNode) => boolean): boolean {
  const selections = field.selectionSet?.selections ?? [];
  return selections.every((each) => isPlain(each) && test(each));
}

function isPlain(selection: SelectionNode | undefined): selection is FieldNode {
  return selection?.kind === Kind.FIELD && (selection.directives ?? []).length === 0;
}
