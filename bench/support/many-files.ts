const FILES_IN_FOLDER = 20;

/** So many small files for a commit, twenty in a folder, as a working copy of some size has them. */
export function manyFiles(count: number): Record<string, string> {
  const files = Array.from({ length: count }, (_, index) => {
    const folder = Math.floor(index / FILES_IN_FOLDER);
    return [`part-${folder % 10}/folder-${folder}/file-${index}`, `${index}\n`] as const;
  });
  return Object.fromEntries(files);
}
