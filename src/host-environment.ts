import { delimiter, join, sep } from 'node:path';

/**
 * What `git rev-parse --local-env-vars` lists, and what hooks see besides: a hook or `git rebase --exec`
 * that started the agent leaves it behind. The git of a command must find the repository it stands in.
 */
const OF_ONE_REPOSITORY = new Set([
  'GIT_ALTERNATE_OBJECT_DIRECTORIES', 'GIT_CONFIG', 'GIT_CONFIG_PARAMETERS', 'GIT_CONFIG_COUNT',
  'GIT_OBJECT_DIRECTORY', 'GIT_DIR', 'GIT_WORK_TREE', 'GIT_IMPLICIT_WORK_TREE', 'GIT_GRAFT_FILE',
  'GIT_INDEX_FILE', 'GIT_NO_REPLACE_OBJECTS', 'GIT_REPLACE_REF_BASE', 'GIT_PREFIX',
  'GIT_INTERNAL_SUPER_PREFIX', 'GIT_SHALLOW_FILE', 'GIT_COMMON_DIR', 'GIT_NAMESPACE',
  'GIT_QUARANTINE_PATH',
]); // prettier-ignore

/** The last one by our own script: relative, so that a command's Node would write into its repository. */
const SET_BY_NPM = new Set(['NODE', 'INIT_CWD', 'COLOR', 'EDITOR', 'NODE_COMPILE_CACHE']);

/**
 * The environment that git and configured commands may inherit: the agent's own, without its secrets
 * (`GITAGENT_*`), without what names another repository, and without what `npm start` added, whose PATH
 * would give a command our Node and our packages' programs instead of the machine's.
 */
export function hostEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  packageRoot: string,
): Record<string, string> {
  const isNpm = env['npm_lifecycle_event'] !== undefined;
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || name.startsWith('GITAGENT_') || OF_ONE_REPOSITORY.has(name))
      continue;
    if (isNpm && (/^npm_/i.test(name) || SET_BY_NPM.has(name))) {
      continue;
    }
    kept[name] = isNpm && name === 'PATH' ? withoutNpm(value, packageRoot) : value;
  }
  return kept;
}

/** npm puts every `node_modules/.bin` from the package upwards in front, and a folder of its own. */
function withoutNpm(path: string, packageRoot: string): string {
  const isAdded = (dir: string): boolean =>
    dir.endsWith(join('@npmcli', 'run-script', 'lib', 'node-gyp-bin')) ||
    (dir.endsWith(`${sep}node_modules${sep}.bin`) &&
      `${packageRoot}${sep}`.startsWith(dir.slice(0, -join('node_modules', '.bin').length)));
  return path
    .split(delimiter)
    .filter((dir) => !isAdded(dir))
    .join(delimiter);
}
