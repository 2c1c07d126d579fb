import {
  getNamedType,
  getOperationAST,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  type ExecutionArgs,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type SelectionSetNode,
} from 'graphql';
import { AppError } from '../error.ts';

/** Most objects that one operation may ask for. */
const MAX_NODES = 100_000;
const DEFAULT_PAGE = 20;
const MAX_PAGE = 100;
/**
 * What a field counts for besides what is within it: an object 1, a plain value little, and more what is
 * large (a chunk of output holds up to 64 KiB) or starts a git child.
 */
const WEIGHTS: Readonly<Record<string, number>> = {
  'OutputChunk.text': 100,
  'OutputChunk.textRaw': 100,
  'Job.changedFiles': 500,
  'Mutation.planPull': 2000,
  'PullPlan.changedFiles': 500,
  'PullPlan.commits': 25,
  'Repo.untrackedFiles': 50,
  'Repo.untrackedFilesRaw': 50,
  'ChangedFiles.added': 20,
  'ChangedFiles.deleted': 20,
  'ChangedFiles.modified': 20,
  'ChangedFiles.renamed': 20,
  'ChangedFiles.files': 50,
  'Blob.isBinary': 50,
  'Blob.text': 500,
  'Blob.textRaw': 500,
  'Blob.lines': 500,
  'Commit.file': 5,
  'TreeEntry.size': 0.2,
  'TreeEntry.lastCommit': 20,
  'Repo.ref': 10,
  'Repo.defaultBranchRef': 10,
  'Repo.object': 5,
};
/** Lists that are paged without being connections: how many they give when nothing is said, and at most. */
const LISTS: Readonly<Record<string, number>> = { 'Tree.entries': 1000 };
const VALUE_WEIGHT = 0.05;

/**
 * Refuses an operation that could ask for too much, however short it is: connections within connections
 * multiply. Counted as GitHub counts, as if every page were full, before anything is read.
 * @throws AppError LIMIT_EXCEEDED
 */
export function checkCost(args: ExecutionArgs): void {
  const { schema, document, operationName, variableValues } = args;
  const operation = getOperationAST(document, operationName);
  const root = operation && schema.getRootType(operation.operation);
  if (operation == null || root == null) return; // The execution will say so.
  const variables: Record<string, unknown> = {};
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    if (defaultValue?.kind === Kind.INT)
      variables[variable.name.value] = Number(defaultValue.value);
  }
  Object.assign(variables, variableValues);
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION)
      fragments.set(definition.name.value, definition);
  }
  /** A fragment costs the same wherever it is spread, so it is counted once. */
  const known = new Map<string, number>();

  function costOf(selections: SelectionSetNode, parent: GraphQLCompositeType): number {
    let cost = 0;
    for (const selection of selections.selections) {
      if (selection.kind === Kind.FIELD) {
        cost += costOfField(selection, parent);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const name = selection.typeCondition?.name.value;
        cost += costOf(selection.selectionSet, compositeType(name) ?? parent);
      } else {
        cost += costOfFragment(selection.name.value);
      }
    }
    return cost;
  }

  function costOfFragment(name: string): number {
    const fragment = fragments.get(name);
    const type = compositeType(fragment?.typeCondition.name.value);
    if (fragment === undefined || type === undefined) return 0;
    let cost = known.get(name);
    if (cost === undefined) {
      cost = costOf(fragment.selectionSet, type);
      known.set(name, cost);
    }
    return cost;
  }

  function costOfField(field: FieldNode, parent: GraphQLCompositeType): number {
    const weight = WEIGHTS[`${parent.name}.${field.name.value}`];
    if (field.selectionSet === undefined) return weight ?? VALUE_WEIGHT;
    if (!isObjectType(parent) && !isInterfaceType(parent)) return 0;
    const definition = parent.getFields()[field.name.value];
    // Introspection is bounded by a rule of its own.
    if (definition === undefined) return 0;
    const type = getNamedType(definition.type);
    if (!isCompositeType(type)) return 0;
    const within = (weight ?? 0) + costOf(field.selectionSet, type);
    const list = LISTS[`${parent.name}.${field.name.value}`];
    if (list !== undefined) return pageSize(field, variables, list, list) * (1 + within);
    if (!type.name.endsWith('Connection')) return within;
    return pageSize(field, variables) * (1 + within);
  }

  function compositeType(name: string | undefined): GraphQLCompositeType | undefined {
    const type = name === undefined ? undefined : schema.getType(name);
    return isCompositeType(type) ? type : undefined;
  }

  const cost = Math.ceil(costOf(operation.selectionSet, root));
  if (cost <= MAX_NODES) return;
  throw new AppError(
    'LIMIT_EXCEEDED',
    `this may cost ${cost}, counted in objects, and ${MAX_NODES} are allowed: ask for shorter pages with "first", or for less in them`,
    { cost, limit: MAX_NODES },
  );
}

/** The larger of `first` and `last`: which of them counts is the field's affair. */
function pageSize(
  field: FieldNode,
  variables: Readonly<Record<string, unknown>>,
  byDefault = DEFAULT_PAGE,
  most = MAX_PAGE,
): number {
  const sizes: number[] = [];
  for (const { name, value } of field.arguments ?? []) {
    if (name.value !== 'first' && name.value !== 'last') continue;
    const given: unknown =
      value.kind === Kind.VARIABLE
        ? variables[value.name.value]
        : value.kind === Kind.INT
          ? Number(value.value)
          : null;
    if (typeof given === 'number') sizes.push(Math.min(most, Math.max(0, given)));
  }
  return sizes.length === 0 ? byDefault : Math.max(...sizes);
}
