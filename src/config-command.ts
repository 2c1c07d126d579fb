import { z } from 'zod';
import { seconds, noNul, nulMessage } from './config-value.ts';

/** A command that a pull or a caller may run. */
export interface CommandConfig {
  readonly name: string;
  /** A shell line became `/bin/sh -c LINE`. */
  readonly argv: readonly [string, ...string[]];
  /** What to show people: the shell line as written, or the arguments quoted for a shell. */
  readonly line: string;
  /** No limit when absent. */
  readonly timeoutSeconds?: number;
  /** Without output. No limit when absent. */
  readonly idleSeconds?: number;
  readonly env: Readonly<Record<string, string>>;
  readonly description?: string;
}

const shellLineSchema = z.string().min(1).refine(noNul, nulMessage).describe('A line for /bin/sh.');
const argvSchema = z
  .array(z.string().refine(noNul, nulMessage))
  .min(1)
  .refine(([program]) => program !== '', 'must begin with a program; give its name or path')
  .describe('A program and its arguments, started without a shell.')
  .transform(([program = '', ...args]): readonly [string, ...string[]] => [program, ...args]);

/** Gives a CommandConfig without its name. */
export const commandSchema = z
  .union(
    [
      shellLineSchema,
      argvSchema,
      z.strictObject({
        run: z
          .union([shellLineSchema, argvSchema], {
            error: (issue) =>
              `${issue.input === undefined ? 'is missing; give' : 'must be'} a shell line or a list of arguments`,
          })
          .describe('A line for /bin/sh, or a program and its arguments.'),
        timeout: seconds
          .positive()
          .exactOptional()
          .describe('Seconds the command may run before it is ended; no limit when left out.'),
        idle: seconds
          .positive()
          .exactOptional()
          .describe(
            'Seconds the command may print nothing before it is ended; no limit when left out.',
          ),
        env: z
          .record(
            z
              .string()
              .min(1)
              .refine(
                (name) => noNul(name) && !name.includes('='),
                'must not contain "=" or a NUL character',
              ),
            z.string().refine(noNul, nulMessage),
          )
          .default({})
          .describe('Environment variables for the command.'),
        description: z
          .string()
          .exactOptional()
          .describe('What the command is for, shown to people.'),
      }),
    ],
    'must be a shell line, a list of arguments, or an object with "run"',
  )
  .describe('A line for /bin/sh, a program with its arguments, or an object with "run" and more.')
  .transform((command) => {
    const none = { timeout: undefined, idle: undefined, description: undefined };
    const { run, timeout, idle, env, description } =
      typeof command === 'object' && 'run' in command
        ? { ...none, ...command }
        : { ...none, run: command, env: {} };
    return {
      argv:
        typeof run === 'string' ? (['/bin/sh', '-c', run] satisfies [string, ...string[]]) : run,
      line: typeof run === 'string' ? run : run.map(quoteForShell).join(' '),
      env,
      ...(timeout !== undefined && { timeoutSeconds: timeout }),
      ...(idle !== undefined && { idleSeconds: idle }),
      ...(description !== undefined && { description }),
    };
  });

function quoteForShell(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument)
    ? argument
    : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}
