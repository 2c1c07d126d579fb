import { InputValidationError } from '@pothos/plugin-validation';
import { GraphQLError } from 'graphql';
import { AppError } from '../error.ts';
import { GitCommandError } from '../git/git-command-error.ts';

/**
 * What a caller may see of an error: our own refusals with their code and facts, and what GraphQL says
 * of the request itself. Everything else is masked as INTERNAL, and `onBug` gives the id under which
 * the log has it.
 */
export function toGraphQLError(error: unknown, onBug: (error: unknown) => string): GraphQLError {
  const graphql = error instanceof GraphQLError ? error : undefined;
  const original = graphql === undefined ? error : graphql.cause;
  if (graphql !== undefined && (original === undefined || original instanceof GraphQLError)) {
    return graphql;
  }
  const at = {
    ...(graphql?.nodes === undefined ? {} : { nodes: graphql.nodes }),
    ...(graphql?.path === undefined ? {} : { path: graphql.path }),
  };
  if (original instanceof AppError) {
    const { code, message, detail } = original;
    return new GraphQLError(message, { ...at, extensions: { ...detail, code } });
  }
  if (original instanceof InputValidationError) {
    const message = original.issues
      .map((issue) => `${formatPath(issue.path)}: ${issue.message}`)
      .join('; ');
    return new GraphQLError(message, { ...at, extensions: { code: 'BAD_USER_INPUT' } });
  }
  if (isCancelled(original)) {
    // Only who asked can end his operation's signal, so nobody reads this.
    return new GraphQLError('the request was cancelled', {
      ...at,
      extensions: { code: 'CANCELLED' },
    });
  }
  const id = onBug(original);
  return new GraphQLError('the agent failed; its log says how', {
    ...at,
    extensions: { code: 'INTERNAL', id },
  });
}

/** Whether work stopped because the operation's signal was aborted. */
function isCancelled(error: unknown): boolean {
  if (error instanceof GitCommandError) return error.isCanceled;
  return error instanceof Error && error.name === 'AbortError';
}

function formatPath(path: InputValidationError['issues'][number]['path']): string {
  const keys = path?.map((each) => String(typeof each === 'object' ? each.key : each)) ?? [];
  return keys.length === 0 ? 'the arguments' : keys.join('.');
}
