import type { Command } from 'commander';
import { fileURLToPath } from 'node:url';
import type { ClientFlags } from './cli-connection.ts';
import { formatJson, formatTable, terminalOf, type Colour } from './cli-terminal.ts';
import type { Finding } from './cli-doctor-check.ts';
import { AppError } from './error.ts';

const COLOURS: Record<Finding['verdict'], Colour> = { ok: 'green', odd: 'yellow', bad: 'red' };

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('look, without starting anything, for what would keep the agent from working')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<ClientFlags>();
      const findings = await examine(flags);
      if (flags.output === 'json') console.log(formatJson(findings));
      else {
        const rows = findings.map(({ verdict, what, advice }) => [
          { text: verdict, colour: COLOURS[verdict] },
          { text: advice === null ? what : `${what}; ${advice}` },
        ]);
        process.stdout.write(formatTable(rows, terminalOf(process.stdout, process.env)));
      }
      if (findings.some(({ verdict }) => verdict === 'bad')) process.exitCode = 1;
    });
}

async function examine(flags: ClientFlags): Promise<readonly Finding[]> {
  const { checkMachine } = await import('./cli-doctor-check.ts');
  const { loadConfig } = await import('./config-file.ts');
  const { hostEnvironment } = await import('./host-environment.ts');
  const packageRoot = fileURLToPath(new URL('..', import.meta.url));
  try {
    const { config, warnings } = await loadConfig({
      ...(flags.config !== undefined && { file: flags.config }),
      env: process.env,
      cwd: process.cwd(),
    });
    return [
      { verdict: 'ok', what: config.file ?? 'no configuration file', advice: null },
      ...warnings.map((what): Finding => ({ verdict: 'odd', what, advice: null })),
      ...(await checkMachine(config, hostEnvironment(process.env, packageRoot))),
    ];
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return error.message
      .split('\n')
      .map((what): Finding => ({ verdict: 'bad', what, advice: null }));
  }
}
