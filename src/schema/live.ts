import type { Liveness } from '../live/live.ts';
import { builder } from './builder.ts';
import { getReadable } from './context.ts';
import { RepoType } from './repo.ts';

const LivenessMode = builder.enumType('Liveness', {
  description: 'How changes of a repository are noticed.',
  values: {
    WATCHING: { description: 'The kernel tells of each change at once.' },
    POLLING: {
      description:
        'It is looked at every few seconds (`timeouts.poll`) while somebody follows it, and anew for each query.',
    },
  } as const satisfies Record<Liveness['mode'], unknown>,
});

builder.objectFields(RepoType, (t) => ({
  liveness: t.field({
    type: LivenessMode,
    description: 'How changes are noticed. Starts no child.',
    resolve: async ({ served }, _args, { live }) => (await live.liveness(served.name)).mode,
  }),
  livenessReason: t.string({
    nullable: true,
    description: 'Why changes are polled for, and what to do about it; null when they are not.',
    resolve: async ({ served }, _args, { live }) => (await live.liveness(served.name)).reason,
  }),
}));

builder.subscriptionField('repo', (t) =>
  t.field({
    type: RepoType,
    description:
      'A repository now, then after each change of its branch, HEAD, upstream, changed and untracked files, operation, or of the state of its current job, whoever made it. Changes that follow each other closely come as one, and who reads slowly skips states. One `git status` serves all subscribers.',
    args: { name: t.arg.string({ required: true, description: 'Its name in the configuration.' }) },
    subscribe: (_root, { name }, context) => context.live.follow(getReadable(context, name).name),
    resolve: ({ repo, copy, job, isBusy }, _args, context) => {
      context.show(repo, copy);
      const operation = copy instanceof Error ? {} : { operation: copy.operation };
      return { served: getReadable(context, repo), busy: isBusy, job, ...operation };
    },
  }),
);
