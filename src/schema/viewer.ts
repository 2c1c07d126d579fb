import type { Caller } from '../auth/caller.ts';
import type { Scope } from '../config.ts';
import { builder } from './builder.ts';

const ScopeType = builder.enumType('Scope', {
  description: 'What a caller may do.',
  values: {
    READ: { value: 'read', description: 'See repositories, jobs and their output.' },
    PULL: { value: 'pull', description: 'Bring working copies up to date.' },
    RUN: { value: 'run', description: 'Run configured commands, and cancel jobs.' },
    PUSH: { value: 'push', description: 'Push with git.' },
    ADMIN: { value: 'admin', description: 'All the rest.' },
  } as const satisfies Record<string, { value: Scope; description: string }>,
});

const ViewerType = builder.objectRef<Caller>('Viewer').implement({
  description: 'Who asks.',
  fields: (t) => ({
    name: t.exposeString('name', { description: '`anonymous` without credentials.' }),
    scopes: t.field({
      type: [ScopeType],
      description: 'What this caller may do.',
      resolve: (caller) => [...caller.scopes],
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: ViewerType,
    description: 'Who asks, as far as the agent knows.',
    resolve: (_root, _args, { caller }) => caller,
  }),
);
