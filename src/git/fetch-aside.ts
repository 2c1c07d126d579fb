import type { Fetched } from './fetched.ts';
import type { LookDeps } from './pull-order.ts';

/** What git is told to fetch, and where it lands. */
export interface AsideFetch {
  /** For the command line: the remote's own refspecs, with what they write moved below `base`. */
  readonly refspecs: readonly string[];
  /** To be asked once that has been fetched. */
  readonly fetched: Fetched;
}

/**
 * Prepares a fetch that brings what an ordinary one would, but below `base`, so that the remote-tracking
 * refs stay as they are.
 * @param base a ref prefix of our own that nothing is under yet, without the slash at its end
 * @throws GitCommandError
 */
export async function prepareAsideFetch(
  deps: LookDeps,
  remote: string,
  base: string,
): Promise<AsideFetch> {
  const { refspecs, prunes } = await readRemote(deps, remote);
  const aside = refspecs.map((refspec) => moveDestination(refspec, base));
  return {
    // Without any git fetches the remote's HEAD, too.
    refspecs: aside.length === 0 ? ['HEAD'] : aside,
    fetched: {
      place: (trackingRef) => below(base, trackingRef),
      async find(refs, trackingRef) {
        const fresh = await refs.find(below(base, trackingRef));
        if (fresh !== undefined) return { oid: fresh.oid, isLeftover: false };
        const old = prunes ? undefined : await refs.find(trackingRef);
        return old && { oid: old.oid, isLeftover: true };
      },
    },
  };
}

/** What the user's and the repository's configuration say of a remote. */
async function readRemote(
  { git, repository, signal }: LookDeps,
  remote: string,
): Promise<{ refspecs: string[]; prunes: boolean }> {
  const { stdout } = await git.run(
    repository,
    ['config', '--null', '--get-regexp', String.raw`^(remote\..*\.(fetch|tagopt|prune)|fetch\.prune)$`],
    { intent: 'status', signal, exitCodes: [0, 1] },
  ); // prettier-ignore
  const refspecs: string[] = [];
  let prunes: boolean | undefined;
  let prunesAll = false;
  for (const entry of stdout.toString('utf8').split('\0')) {
    // A key without a value has no newline, and means true.
    const [key = '', value = 'true'] = entry.split(/\n(.*)/s, 2);
    const isTrue = /^(?:true|yes|on|[1-9]\d*)$/i.test(value);
    if (key === `remote.${remote}.fetch`) refspecs.push(value);
    else if (key === `remote.${remote}.tagopt` && value === '--tags') refspecs.push('+refs/tags/*:refs/tags/*');
    else if (key === `remote.${remote}.prune`) prunes = isTrue;
    else if (key === 'fetch.prune') prunesAll = isTrue;
  } // prettier-ignore
  return { refspecs, prunes: prunes ?? prunesAll };
}

/** `[+]SOURCE[:DESTINATION]`; a negative one, `^SOURCE`, has no destination. */
function moveDestination(refspec: string, base: string): string {
  const [source = '', destination = ''] = refspec.split(/:(.*)/s, 2);
  return destination === '' ? source : `${source}:${below(base, destination)}`;
}

/** git takes a destination that does not begin with `refs/` for a branch. */
function below(base: string, ref: string): string {
  return `${base}/${ref.startsWith('refs/') ? ref.slice('refs/'.length) : `heads/${ref}`}`;
}

/** Nothing of a plan's fetch is kept longer, whatever became of the plan. */
const MAX_AGE_MS = 60 * 60 * 1000;
/** Of the commits that plans go to. */
const MAX_KEPT = 16;

const PLANS = 'refs/gitagent/plan';
const FETCHED = 'refs/gitagent/fetched';

/** The refs of one plan. Both are hidden from clients of git over HTTP, as all below `refs/gitagent`. */
export interface PlanRefs {
  /** Below it is what was fetched. */
  readonly fetched: string;
  /** Keeps the commit that the plan goes to from being collected, until a pull comes for it. */
  readonly kept: string;
}

/** @param id of letters and digits, used once */
export function planRefs(id: string, now: number): PlanRefs {
  // The time comes first, so that their names are in the order of their age.
  const name = `${now.toString(36).padStart(9, '0')}-${id}`;
  return { fetched: `${FETCHED}/${name}`, kept: `${PLANS}/${name}` };
}

/**
 * Removes what a plan fetched except the commit it goes to, and what older plans left: all that is older
 * than an hour, and all but the newest sixteen. One transaction.
 * @param keep `null` when the plan goes nowhere
 * @throws GitCommandError
 */
export async function tidyPlanRefs(
  { git, repository, signal }: LookDeps,
  own: PlanRefs,
  keep: string | null,
  now: number,
): Promise<void> {
  const { stdout } = await git.run(
    repository,
    ['for-each-ref', '--format=%(refname)', '--', PLANS, FETCHED],
    { intent: 'read', signal },
  );
  const names = stdout.toString('utf8').split('\n').filter(Boolean);
  const isOld = (name: string): boolean => {
    const [time = ''] = name
      .slice((name.startsWith(PLANS) ? PLANS : FETCHED).length + 1)
      .split('-');
    return !(Number.parseInt(time, 36) > now - MAX_AGE_MS);
  };
  const plans = names.filter((name) => name.startsWith(`${PLANS}/`));
  const surplus = new Set(plans.slice(0, Math.max(0, plans.length - (MAX_KEPT - 1))));
  const removed = names.filter(
    (name) => name.startsWith(`${own.fetched}/`) || isOld(name) || surplus.has(name),
  );
  const commands = [
    ...(keep === null ? [] : [`create ${own.kept}\0${keep}\0`]),
    ...removed.map((name) => `delete ${name}\0\0`),
  ];
  if (commands.length === 0) return;
  await git.run(repository, ['update-ref', '--stdin', '-z'], {
    intent: 'status',
    signal,
    stdin: Buffer.from(commands.join('')),
  });
}
