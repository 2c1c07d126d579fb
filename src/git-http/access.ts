import type { IncomingMessage } from 'node:http';
import { AppError } from '../error.ts';
import { openRepository, type Repository } from '../git/repository.ts';
import type { Access, Decision, GitHttpOptions, ServedRepository } from './options.ts';
import { challenge, Refusal } from './refusal.ts';
import type { Route, Service } from './route.ts';

/** Who may do what where: the answer to one request's question. */
export interface Admission {
  readonly served: ServedRepository;
  readonly repository: Repository;
  readonly caller: string | undefined;
}

/**
 * Finds the repository of a request and asks whether it may be used. The owner is asked about names that
 * do not exist too, so that what a stranger gets need not tell which do.
 * @throws Refusal 401, 403, 404; whatever the owner's functions throw
 */
export async function admit(
  { resolve, authorize }: Pick<GitHttpOptions, 'resolve' | 'authorize'>,
  request: IncomingMessage,
  { name }: Route,
  service: Service,
): Promise<Admission> {
  const served = await resolve({ request, name });
  const access: Access = { request, name, repository: served, service };
  const decision = await authorize(access);
  if (decision.kind !== 'allow') throw refusalOf(decision);
  if (served === null) throw notFound();
  return { served, repository: await open(served), caller: decision.caller };
}

function refusalOf(decision: Exclude<Decision, { kind: 'allow' }>): Refusal {
  if (decision.kind === 'challenge') return challenge(decision.realm, decision.message);
  if (decision.kind === 'hide') return notFound();
  return new Refusal(403, decision.message ?? 'you may not do this');
}

async function open(served: ServedRepository): Promise<Repository> {
  try {
    return await openRepository(served.path);
  } catch (error) {
    // Its message names a path of ours.
    if (error instanceof AppError) throw notFound();
    throw error;
  }
}

function notFound(): Refusal {
  return new Refusal(404, 'there is no such repository');
}
