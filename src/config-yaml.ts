import { isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document, ErrorCode, Node, YAMLMap } from 'yaml';
import { buildObject, type Member, type ParsedConfig } from './config-object.ts';
import type { ConfigProblem } from './config-problem.ts';
import { type ConfigNode, type ConfigPath, createLocator, type Place } from './config-tree.ts';

/** What stays the same while a document is walked. */
interface Walk {
  readonly document: Document;
  readonly locate: (offset: number) => Place;
  readonly problems: ConfigProblem[];
}

/** Reads YAML 1.2. Of mistakes in the syntax only the first is told: the others are mostly its echo. */
export function parseYaml(source: string, text: string): ParsedConfig {
  const locate = createLocator(source, text);
  // Keys given twice are ours to find: to the parser, 10 and "10" are different keys.
  const document = parseDocument(text, {
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const [error] = document.errors;
  if (error !== undefined) {
    const truncated = error.pos[0] >= text.trimEnd().length;
    const message = truncated
      ? 'the file ends in the middle of a value; is it complete?'
      : (meanings[error.code] ?? 'this is not valid YAML; check quotes, colons and indentation');
    return { root: null, problems: [{ place: locate(error.pos[0]), path: [], message }] };
  }
  if (document.contents === null) {
    return {
      root: null,
      problems: [
        {
          place: locate(0),
          path: [],
          message: 'the file is empty; list repositories under "repo"',
        },
      ],
    };
  }
  const problems: ConfigProblem[] = [];
  return { root: convert({ document, locate, problems }, document.contents, [], []), problems };
}

/** `open` are the nodes around this one: an alias to one of them has no end. */
function convert(
  walk: Walk,
  node: Node | null,
  path: ConfigPath,
  open: readonly Node[],
): ConfigNode {
  const at = walk.locate(node?.range?.[0] ?? 0);
  if (isAlias(node)) {
    const target = node.resolve(walk.document);
    if (target !== undefined && !open.includes(target)) return convert(walk, target, path, open);
    const message =
      'this "*" points to nothing, or to itself; put text that begins with "*" between quotes';
    walk.problems.push({ place: at, path, message });
    return { kind: 'scalar', at, value: null };
  }
  if (isMap(node)) {
    return buildObject(at, membersOf(walk, node, path, [...open, node]), path, walk.problems);
  }
  if (isSeq(node)) {
    const items = node.items.map((item, index) =>
      convert(walk, asNode(item), [...path, index], [...open, node]),
    );
    return { kind: 'array', at, items };
  }
  const value = isScalar(node) ? node.value : null;
  const simple =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return { kind: 'scalar', at, value: simple ? value : null };
}

function membersOf(walk: Walk, map: YAMLMap, path: ConfigPath, open: readonly Node[]): Member[] {
  return map.items.map((pair) => {
    const key = asNode(pair.key);
    // A name is what stands in the file: 010 is not 10 and not 8.
    const name = isScalar(key) ? (key.source ?? String(key.value)) : String(key);
    const keyAt = walk.locate(key?.range?.[0] ?? map.range?.[0] ?? 0);
    const value = asNode(pair.value);
    const converted = convert(walk, value, [...path, name], open);
    // "key:" with nothing behind it has a value of no length; the key is where to look.
    return { name, keyAt, value: value?.range ? converted : { ...converted, at: keyAt } };
  });
}

/** A parsed document holds nodes only; the library's types also allow what programs put in. */
function asNode(item: unknown): Node | null {
  return isScalar(item) || isMap(item) || isSeq(item) || isAlias(item) ? item : null;
}

/** The parser's own messages repeat the text, which may be a password. */
const meanings: Partial<Record<ErrorCode, string>> = {
  BAD_INDENT: 'the indentation is wrong; keys of one object start in the same column',
  BAD_DQ_ESCAPE: String.raw`this escape is unknown; write a backslash as "\\"`,
  BAD_SCALAR_START: 'text cannot begin with this character; put it between quotes',
  BLOCK_AS_IMPLICIT_KEY: 'there is a second ":" on this line; put the value between quotes',
  MISSING_CHAR: 'a quote, comma, colon or bracket is missing here; add it',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line; is a ":" missing?',
  MULTIPLE_DOCS: 'a second document begins here; remove the "---"',
  TAB_AS_INDENT: 'YAML is indented with blanks, not tabs; replace them',
};
