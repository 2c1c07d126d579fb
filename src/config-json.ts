import { createScanner, getLocation, parseTree, printParseErrorCode } from 'jsonc-parser';
import type { Node, ParseError } from 'jsonc-parser';
import { buildObject, type ParsedConfig } from './config-object.ts';
import type { ConfigProblem } from './config-problem.ts';
import { type ConfigNode, type ConfigPath, createLocator, type Place } from './config-tree.ts';

/**
 * Reads JSON, with comments and trailing commas. Of mistakes in the syntax only the first is told:
 * the others are mostly its echo.
 */
export function parseJson(source: string, text: string): ParsedConfig {
  const locate = createLocator(source, text);
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (error !== undefined || tree === undefined) {
    return { root: null, problems: [describeSyntax(text, error, locate)] };
  }
  const problems: ConfigProblem[] = [];
  return { root: convert(tree, [], locate, problems), problems };
}

function convert(
  node: Node,
  path: ConfigPath,
  locate: (offset: number) => Place,
  problems: ConfigProblem[],
): ConfigNode {
  const at = locate(node.offset);
  const children = node.children ?? [];
  switch (node.type) {
    case 'object': {
      const members = children.flatMap(({ children: [key, value] = [] }) => {
        if (key === undefined || value === undefined) return [];
        const name = String(key.value);
        return [
          {
            name,
            keyAt: locate(key.offset),
            value: convert(value, [...path, name], locate, problems),
          },
        ];
      });
      return buildObject(at, members, path, problems);
    }
    case 'array':
      return {
        kind: 'array',
        at,
        items: children.map((item, index) => convert(item, [...path, index], locate, problems)),
      };
    default: {
      const value: unknown = node.value;
      const simple =
        typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
      return { kind: 'scalar', at, value: simple ? value : null };
    }
  }
}

function describeSyntax(
  text: string,
  error: ParseError | undefined,
  locate: (offset: number) => Required<Place>,
): ConfigProblem {
  const end = text.trimEnd().length;
  if (error === undefined || end === 0) {
    return {
      place: locate(0),
      path: [],
      message: 'the file is empty; "gitagent write" makes one to start from',
    };
  }
  const path = getLocation(text, error.offset).path.filter((step) => step !== '');
  const open = findUnclosed(text);
  if (open !== null && error.offset + error.length >= end) {
    const { line } = locate(open);
    const message = `the file ends here, but the "${text.charAt(open)}" of line ${line} is not closed; is it complete?`;
    return { place: locate(end), path, message };
  }
  const message = meanings[printParseErrorCode(error.error)] ?? 'this is not JSON';
  return { place: locate(error.offset), path, message };
}

/** The offset of the innermost bracket that is open at the end, or null. */
function findUnclosed(text: string): number | null {
  const scanner = createScanner(text, true);
  const open: number[] = [];
  // The package's constants vanish with its types; a token is known by its first letter.
  while (scanner.getPosition() < text.length) {
    scanner.scan();
    const letter = scanner.getTokenLength() === 1 ? text.charAt(scanner.getTokenOffset()) : '';
    if (letter === '{' || letter === '[') open.push(scanner.getTokenOffset());
    if (letter === '}' || letter === ']') open.pop();
  }
  return open.at(-1) ?? null;
}

const meanings: Readonly<Record<string, string>> = {
  InvalidSymbol: 'this is not JSON; text needs double quotes around it',
  InvalidNumberFormat: 'this is not a number; put text between double quotes',
  PropertyNameExpected: 'a key is missing here; keys need double quotes around them',
  ValueExpected: 'a value is missing here; write it after the ":"',
  ColonExpected: 'a ":" is missing before this; write "key": value',
  CommaExpected: 'a "," is missing before this; add it',
  CloseBraceExpected: 'a "}" is missing before this; add it',
  CloseBracketExpected: 'a "]" is missing before this; add it',
  EndOfFileExpected: 'there is text after the last "}"; remove it',
  UnexpectedEndOfComment: 'the comment is not closed; add "*/"',
  UnexpectedEndOfString: 'the text is not closed; add a double quote at its end',
  UnexpectedEndOfNumber: 'the number is not complete; write its last digits',
  InvalidUnicode: String.raw`"\u" needs four hexadecimal digits; write a backslash as "\\"`,
  InvalidEscapeCharacter: String.raw`this escape is unknown; write a backslash as "\\"`,
  InvalidCharacter: String.raw`there is a control character in this text; write a line break as "\n", a tab as "\t"`,
};
