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
  // The list's own affair: all of them together hold up to 4 MiB.
  'FileChange.patch': 6000,
  'Commit.changedFiles': 500,
  'Comparison.changedFiles': 500,
  'Commit.blame': 500,
};
/** Lists that are paged without being connections: how many they give when nothing is said, and at most. */
const LISTS: Readonly<Record<string, number>> = { 'Tree.entries': 1000 };
const VALUE_WEIGHT = 0.05;

/** Most git children that one operation may start. */
const MAX_CHILDREN = 200;
/**
 * How many git children a field starts besides those of the fields within it. A name stands for one child
 * that all fields of that name in one object share.
 */
const CHILDREN: Readonly<Record<string, number | string>> = {
  'Repo.branch': 'status',
  'Repo.head': 'status',
  'Repo.dirty': 'status',
  'Repo.changedFiles': 'status',
  'Repo.untrackedFiles': 'status',
  'Repo.untrackedFilesRaw': 'status',
  'Repo.upstream': 'status',
  'Job.changedFiles': 1,
  'Commit.history': 1,
  'Commit.changedFiles': 1,
  'Commit.blame': 2,
  'Commit.signature': 1,
  'ChangedFiles.additions': 'lines',
  'ChangedFiles.deletions': 'lines',
  'FileChange.additions': 'lines',
  'FileChange.deletions': 'lines',
  'FileChange.isBinary': 'lines',
  'FileChange.patch': 'patches',
  'Repo.compare': 4,
  'Comparison.commits': 1,
  'Comparison.changedFiles': 1,
};

/** Most objects within objects. No question that people ask comes near it. */
const MAX_DEPTH = 25;

/** What a selection may cost, as if every page were full. */
interface Cost {
  /** In objects. */
  readonly nodes: number;
  /** The children that are shared by all fields of the object that is selected from. */
  readonly shared: ReadonlySet<string>;
  /** All other children. */
  readonly children: number;
  readonly depth: number;
}

const NOTHING: Cost = { nodes: 0, shared: new Set(), children: 0, depth: 0 };

function sum(a: Cost, b: Cost): Cost {
  return {
    nodes: a.nodes + b.nodes,
    shared: a.shared.union(b.shared),
    children: a.children + b.children,
    depth: Math.max(a.depth, b.depth),
  };
}

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
  const known = new Map<string, Cost>();

  function costOf(selections: SelectionSetNode, parent: GraphQLCompositeType): Cost {
    let cost = NOTHING;
    for (const selection of selections.selections) {
      if (selection.kind === Kind.FIELD) {
        cost = sum(cost, costOfField(selection, parent));
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const name = selection.typeCondition?.name.value;
        cost = sum(cost, costOf(selection.selectionSet, compositeType(name) ?? parent));
      } else {
        cost = sum(cost, costOfFragment(selection.name.value));
      }
    }
    return cost;
  }

  function costOfFragment(name: string): Cost {
    const fragment = fragments.get(name);
    const type = compositeType(fragment?.typeCondition.name.value);
    if (fragment === undefined || type === undefined) return NOTHING;
    let cost = known.get(name);
    if (cost === undefined) {
      cost = costOf(fragment.selectionSet, type);
      known.set(name, cost);
    }
    return cost;
  }

  function costOfField(field: FieldNode, parent: GraphQLCompositeType): Cost {
    const key = `${parent.name}.${field.name.value}`;
    const started = CHILDREN[key] ?? 0;
    const own: Cost = {
      ...NOTHING,
      shared: new Set(typeof started === 'string' ? [started] : []),
      children: typeof started === 'string' ? 0 : started,
    };
    const weight = WEIGHTS[key];
    if (field.selectionSet === undefined) return { ...own, nodes: weight ?? VALUE_WEIGHT };
    if (!isObjectType(parent) && !isInterfaceType(parent)) return NOTHING;
    const definition = parent.getFields()[field.name.value];
    // Introspection is bounded by a rule of its own.
    if (definition === undefined) return NOTHING;
    const type = getNamedType(definition.type);
    if (!isCompositeType(type)) return NOTHING;
    const within = costOf(field.selectionSet, type);
    const list = LISTS[key];
    const isPage = list !== undefined || type.name.endsWith('Connection');
    const count = isPage ? pageSize(field, variables, list, list) : 1;
    return {
      nodes: count * ((isPage ? 1 : 0) + (weight ?? 0) + within.nodes),
      shared: own.shared,
      children: own.children + count * (within.shared.size + within.children),
      depth: 1 + within.depth,
    };
  }

  function compositeType(name: string | undefined): GraphQLCompositeType | undefined {
    const type = name === undefined ? undefined : schema.getType(name);
    return isCompositeType(type) ? type : undefined;
  }

  const { nodes, shared, children, depth } = costOf(operation.selectionSet, root);
  const counts = [
    { cost: Math.ceil(nodes), limit: MAX_NODES, what: 'objects' },
    { cost: children + shared.size, limit: MAX_CHILDREN, what: 'git processes' },
    { cost: depth, limit: MAX_DEPTH, what: 'levels of objects within objects' },
  ];
  for (const { cost, limit, what } of counts) {
    if (cost <= limit) continue;
    throw new AppError(
      'LIMIT_EXCEEDED',
      `this may cost ${cost}, counted in ${what}, and ${limit} are allowed: ask for shorter pages with "first", or for less in them`,
      { cost, limit, unit: what },
    );
  }
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
