import type { RepoConfig } from '../config.ts';
import { AppError } from '../error.ts';
import { openRepository, type Repository } from '../git/repository.ts';

/** A repository that the agent serves: what the configuration says of it, and where it lies. */
export interface ServedRepository {
  readonly name: string;
  readonly config: RepoConfig;
  readonly repository: Repository;
}

export interface Repositories {
  /** In the configuration's order. */
  list(): readonly ServedRepository[];
  /** @throws AppError NOT_FOUND */
  get(name: string): ServedRepository;
}

/**
 * Opens all configured repositories. Starts no child.
 * @throws AppError NOT_FOUND when one of them is not there
 */
export async function openRepositories(configs: readonly RepoConfig[]): Promise<Repositories> {
  const served = await Promise.all(
    configs.map(async (config) => ({
      name: config.name,
      config,
      repository: await openRepository(config.path),
    })),
  );
  const byName = new Map(served.map((each) => [each.name, each]));
  return {
    list: () => served,
    get(name) {
      const found = byName.get(name);
      if (found === undefined) {
        throw new AppError('NOT_FOUND', `there is no repository ${JSON.stringify(name)}`);
      }
      return found;
    },
  };
}
