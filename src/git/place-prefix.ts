/** What the keys of things begin with that are remembered of a repository: another one for each that lay at its place. */
export interface PlacePrefixes {
  /** @param mark tells what lies there now from what lay there before, see `readStamp`; null when nothing does */
  find(gitDir: string, mark: string | null): string;
}

/** A repository that went and came back counts as another: who knows what happened to it. */
export function createPlacePrefixes(): PlacePrefixes {
  const places = new Map<string, { readonly mark: string | null; readonly prefix: string }>();
  let count = 0;
  return {
    find(gitDir, mark) {
      let place = places.get(gitDir);
      if (place?.mark !== mark) {
        place = { mark, prefix: `${++count} ` };
        places.set(gitDir, place);
      }
      return place.prefix;
    },
  };
}
