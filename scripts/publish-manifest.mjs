/**
 * What is published must not bring a Node of its own, as a clone does: `prepack` takes the platform
 * packages and the scripts out of package.json, `postpack` puts the file back.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';

const [, , step] = process.argv;
if (step === 'restore') {
  renameSync('package.json.orig', 'package.json');
} else {
  const text = readFileSync('package.json', 'utf8');
  writeFileSync('package.json.orig', text);
  const {
    scripts: _scripts,
    optionalDependencies: _node,
    overrides: _overrides,
    ...rest
  } = JSON.parse(text);
  writeFileSync('package.json', `${JSON.stringify(rest, null, 2)}\n`);
}
