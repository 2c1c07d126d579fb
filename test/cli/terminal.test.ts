/** What of a command's output, and of names from repositories, may reach a terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOutputFilter, formatJson, visible } from '../../src/cli-terminal.ts';

const ESC = '\u001B';
const BEL = '\u0007';
const colour = { isTerminal: true, hasColour: true };

const cases: [title: string, printed: string, shown: string][] = [
  ['text, lines and tabs', 'a\tb\r\n100%\rč 🐎\n', 'a\tb\r\n100%\rč 🐎\n'],
  ['colours', `${ESC}[1;31mred${ESC}[0m ${ESC}[38:5:1mx${ESC}[m`, `${ESC}[1;31mred${ESC}[0m ${ESC}[38:5:1mx${ESC}[m`], // prettier-ignore
  ['no movement of the cursor', `a${ESC}[2Ab${ESC}[2J${ESC}[?1049hc${ESC}7${ESC}cd`, 'abcd'],
  ['no question that the terminal answers', `a${ESC}[6n${ESC}[>c${ESC}Zb`, 'ab'],
  ['no title, no clipboard, no link', `a${ESC}]0;t${BEL}b${ESC}]52;c;eA==${ESC}\\c`, 'abc'],
  ['no device strings', `a${ESC}P1$r0m${ESC}\\b${ESC}_x${ESC}\\c`, 'abc'],
  ['no change of the character set', `a${ESC}(0b${ESC}%Gc\u000E\u000F`, 'abc'],
  ['no single control characters', 'a\u0000b\u0007c\u007Fd\u009B31me', 'abcd31me'],
  ['what follows a string that does not end', `a${ESC}]0;title\nb`, 'a\nb'],
  ['what follows a sequence that does not end', `a${ESC}[31\nb`, 'a\nb'],
];

for (const [title, printed, shown] of cases) {
  test(`a terminal gets ${title}, however it is cut`, () => {
    assert.equal(createOutputFilter(colour)(printed), shown);
    for (let cut = 0; cut <= printed.length; cut++) {
      const filter = createOutputFilter(colour);
      assert.equal(filter(printed.slice(0, cut)) + filter(printed.slice(cut)), shown);
    }
  });
}

test('without colours it gets none', () => {
  const filter = createOutputFilter({ isTerminal: true, hasColour: false });
  assert.equal(filter(`${ESC}[1;31mred${ESC}[0m`), 'red');
});

test('a name is spelt out where it would do something', () => {
  assert.equal(visible(`a${ESC}[2Jb\u202Egnp.exe\n`), 'a\\x1b[2Jb\\u202egnp.exe\\x0a');
  assert.equal(visible('žluťoučký 🐎'), 'žluťoučký 🐎');
});

test('JSON has no control characters, and says the same', () => {
  const value = { a: `${ESC}[2J\u009B\u007F\n` };
  const text = formatJson(value);
  assert.doesNotMatch(text, /[^\P{Cc}\n]/u);
  assert.deepEqual(JSON.parse(text), value);
});
