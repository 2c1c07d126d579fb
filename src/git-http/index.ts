/**
 * Git over HTTP for any Node server: clone, fetch and push, smart and dumb. Nothing else of GitAgent comes
 * with it. See docs/git-http.md.
 */
export { AppError, type ErrorCode } from '../error.ts';
export type { Oid } from '../git/oid.ts';
export { createGitHttpHandler, type GitHttpHandler } from './handler.ts';
export type { Limits } from './limiter.ts';
export type {
  Access,
  Decision,
  GitHttpOptions,
  RepositoryRequest,
  ServedRepository,
} from './options.ts';
export type { LandOptions, Push, RefUpdate } from './push.ts';
export type { Service } from './route.ts';
