import type { PullStrategy } from '../git/pull.ts';
import { builder } from './builder.ts';

export const PullStrategyType = builder.enumType('PullStrategy', {
  description: 'What a pull does when the branch and its upstream have diverged.',
  values: {
    FF_ONLY: { value: 'ff-only', description: 'Refuse.' },
    MERGE: { value: 'merge', description: 'Merge the upstream; refuse when that conflicts.' },
    REBASE: {
      value: 'rebase',
      description: "Put the branch's own commits on top; undo it when that conflicts.",
    },
    RESET: {
      value: 'reset',
      description:
        'Take the upstream as it is. What that discards is saved first, under `refs/gitagent/saved/JOB`.',
    },
  } as const satisfies Record<string, { value: PullStrategy; description: string }>,
});
