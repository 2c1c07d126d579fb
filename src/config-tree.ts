/**
 * A configuration as written: values with the places they came from, keys in the order of the file.
 * (A plain object would put names like "10" and "2" first, and knows no lines.)
 */

/** Where something was written. Without a line when it is not from a file. */
export interface Place {
  /** A file as the user named it, a variable (`GITAGENT_PORT`) or a flag (`--port`). */
  readonly source: string;
  /** From 1. */
  readonly line?: number;
  /** From 1, in UTF-16 units, as editors count. */
  readonly column?: number;
}

export type ConfigPath = readonly PropertyKey[];

export interface ObjectNode {
  readonly kind: 'object';
  readonly at: Place;
  readonly entries: ReadonlyMap<string, { readonly keyAt: Place; readonly value: ConfigNode }>;
}

export type ConfigNode =
  | ObjectNode
  | { readonly kind: 'array'; readonly at: Place; readonly items: readonly ConfigNode[] }
  | {
      readonly kind: 'scalar';
      readonly at: Place;
      readonly value: string | number | boolean | null;
    };

/** Gives the place of an offset in `text`. */
export function createLocator(source: string, text: string): (offset: number) => Required<Place> {
  const lineStarts = [
    0,
    ...text.matchAll(/\r\n|\r|\n/g).map((match) => match.index + match[0].length),
  ];
  return (offset) => {
    const line = lineStarts.findLastIndex((start) => start <= offset);
    return { source, line: line + 1, column: offset - (lineStarts[line] ?? 0) + 1 };
  };
}

/** The node at a path, or null. */
export function findNode(root: ConfigNode, path: ConfigPath): ConfigNode | null {
  let node: ConfigNode | null = root;
  for (const step of path) {
    if (node === null) return null;
    if (node.kind === 'object') node = node.entries.get(String(step))?.value ?? null;
    else if (node.kind === 'array') node = node.items[Number(step)] ?? null;
    else return null;
  }
  return node;
}

/** The place of a value; of a value that is missing, the key that should contain it. */
export function placeOfValue(root: ConfigNode, path: ConfigPath): Place {
  return findNode(root, path)?.at ?? placeOfKey(root, path.slice(0, -1));
}

/** The place of a key, or of the nearest key around it that was written. */
export function placeOfKey(root: ConfigNode, path: ConfigPath): Place {
  for (let length = path.length; length > 0; length--) {
    const parent = findNode(root, path.slice(0, length - 1));
    const step = path[length - 1];
    if (parent?.kind === 'object') {
      const entry = parent.entries.get(String(step));
      if (entry !== undefined) return entry.keyAt;
    }
    if (parent?.kind === 'array') {
      const item = parent.items[Number(step)];
      if (item !== undefined) return item.at;
    }
  }
  return root.at;
}

/** The names of an object in the order of the file; none when there is no object at `path`. */
export function keysInOrder(root: ConfigNode, path: ConfigPath): readonly string[] {
  const node = findNode(root, path);
  return node?.kind === 'object' ? [...node.entries.keys()] : [];
}

/** The tree with one value put in; unchanged when something on the way is not an object. */
export function withValue(
  root: ConfigNode,
  path: readonly string[],
  value: ConfigNode,
): ConfigNode {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (root.kind !== 'object') return root;
  const entry = root.entries.get(key);
  const child = entry?.value ?? { kind: 'object', at: value.at, entries: new Map() };
  const keyAt = rest.length === 0 ? value.at : (entry?.keyAt ?? value.at);
  const entries = new Map(root.entries).set(key, { keyAt, value: withValue(child, rest, value) });
  return { ...root, entries };
}

/** The values alone, as JSON.parse would give them. */
export function toPlain(node: ConfigNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'array':
      return node.items.map(toPlain);
    case 'object':
      // fromEntries defines, it does not assign: a key "__proto__" stays a key.
      return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, toPlain(value)]));
  }
}

/** A node for a plain value that did not come from a file. */
export function nodeOf(value: unknown, at: Place): ConfigNode {
  if (Array.isArray(value))
    return { kind: 'array', at, items: value.map((item) => nodeOf(item, at)) };
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(
      ([key, item]) => [key, { keyAt: at, value: nodeOf(item, at) }] as const,
    );
    return { kind: 'object', at, entries: new Map(entries) };
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return { kind: 'scalar', at, value };
  }
  return { kind: 'scalar', at, value: null };
}
