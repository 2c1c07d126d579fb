import { builder } from './builder.ts';
import './scalar.ts';
import './repo.ts';
import './tree.ts';
import './blob.ts';
import './tag.ts';
import './ref.ts';
import './repo-object.ts';
import './history.ts';
import './commit-changes.ts';
import './blame.ts';
import './signature.ts';
import './comparison.ts';
import './job.ts';
import './live.ts';
import './output.ts';
import './pull.ts';
import './plan.ts';
import './viewer.ts';

/** The whole schema. Importing it builds it, and does nothing else. */
export const schema = builder.toSchema();
