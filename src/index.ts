/** What `import 'gitagent'` gives: the agent, to be started inside another program. */
export { startAgent, type Agent, type AgentDeps } from './agent.ts';
export { loadConfig, type LoadedConfig, type LoadOptions } from './config-file.ts';
export { ConfigError } from './config-problem.ts';
export type { CommandConfig, Config, PullStrategy, RepoConfig, Scope } from './config.ts';
export { AppError, type ErrorCode } from './error.ts';
export { createLog, type Log } from './log.ts';
