/** One thing that was measured. */
export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What it is compared with: the other side of the same run, or the number that must not be passed. */
  readonly against: { readonly what: string; readonly value: number };
}

/** The middle one of several measurements. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Prints a line for each, with the ratio. */
export function printRows(rows: readonly Row[]): void {
  for (const { what, value, unit, against } of rows) {
    const measured = `${value.toFixed(0).padStart(6)} ${unit}`;
    const ratio = `${(value / against.value).toFixed(2)}x of ${against.what}`;
    console.log(`  ${what.padEnd(48)}${measured}   ${ratio} (${against.value.toFixed(0)} ${unit})`);
  }
}
