/** Git, asked many things at once. Bytes are text here, a character for each. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { GIT_ENVIRONMENT } from '../support/git-fixture.ts';

const MARK = '--git-batch--';

/**
 * Runs git for each of these and gives what each printed. One shell starts them all: to start a child costs a test,
 * which is a large process, more than git costs then.
 * @param inputs of the first ones: whole lines
 */
export async function printedEach(
  dir: string,
  commands: readonly (readonly string[])[],
  inputs: readonly string[] = [],
): Promise<string[]> {
  const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
  const script = commands.map((args, n) =>
    [
      // 1: nothing was found, as merge-base says it.
      `git ${args.map(quote).join(' ')} <<'${MARK}' || [ $? = 1 ] || exit 2`,
      `${inputs[n] ?? ''}${MARK}`,
      `printf %s ${MARK}\n`,
    ].join('\n'),
  );
  const run = promisify(execFile)('sh', ['-s'], {
    cwd: dir,
    // Paths are paths, whatever characters they have.
    env: { ...GIT_ENVIRONMENT, GIT_LITERAL_PATHSPECS: '1' },
    encoding: 'latin1',
    maxBuffer: 2 ** 28,
  });
  // As bytes, for a word need not be UTF-8.
  run.child.stdin?.end(script.join(''), 'latin1');
  return (await run).stdout.split(MARK).slice(0, -1);
}

/** The same for one command. */
export async function printed(dir: string, args: readonly string[], input = ''): Promise<string> {
  const [output = ''] = await printedEach(dir, [args], [input]);
  return output;
}

/** The same, line by line. */
export async function lines(dir: string, args: readonly string[], input = ''): Promise<string[]> {
  return (await printed(dir, args, input)).split('\n').slice(0, -1);
}
