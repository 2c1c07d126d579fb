import type { Command } from 'commander';
import type { ClientFlags } from './cli-connection.ts';
import { formatJson } from './cli-terminal.ts';

export function addConfigCommands(program: Command): void {
  program
    .command('config')
    .description('the configuration file')
    .command('check')
    .description('say whether the agent would start with it, and what is wrong with it')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<ClientFlags>();
      const { loadConfig } = await import('./config-file.ts');
      const { config, warnings } = await loadConfig({
        ...(flags.config !== undefined && { file: flags.config }),
        env: process.env,
        cwd: process.cwd(),
      });
      const { file, bindIp, port, stateDir, repos } = config;
      if (flags.output === 'json') {
        const names = repos.map(({ name }) => name);
        console.log(formatJson({ file, bindIp, port, stateDir, repos: names, warnings }));
        return;
      }
      for (const warning of warnings) console.error(warning);
      const count = repos.length === 1 ? '1 repository' : `${repos.length} repositories`;
      console.log(`${file ?? 'no configuration file'}: right, with ${count}`);
    });
}
