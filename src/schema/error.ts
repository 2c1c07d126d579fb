import { PothosValidationError } from '@pothos/core';
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
  const original = graphql?.cause ?? error;
  const at = {
    ...(graphql?.nodes === undefined ? {} : { nodes: graphql.nodes }),
    ...(graphql?.path === undefined ? {} : { path: graphql.path }),
  };
  if (original instanceof AppError) {
    const { code, message, detail } = original;
    return new GraphQLError(message, { ...at, extensions: { ...detail, code } });
  }
  // Pothos refuses arguments, ids and cursors with errors that are GraphQLErrors without a code.
  if (original instanceof PothosValidationError) {
    const message =
      original instanceof InputValidationError ? formatIssues(original) : original.message;
    return new GraphQLError(message, { ...at, extensions: { code: 'BAD_USER_INPUT' } });
  }
  if (graphql !== undefined && original instanceof GraphQLError) return graphql;
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

function formatIssues({ issues }: InputValidationError): string {
  return issues.map((issue) => `${formatPath(issue.path)}: ${issue.message}`).join('; ');
}

function formatPath(path: InputValidationError['issues'][number]['path']): string {
  const keys = path?.map((each) => String(typeof each === 'object' ? each.key : each)) ?? [];
  return keys.length === 0 ? 'the arguments' : keys.join('.');
}
