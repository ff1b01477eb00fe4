/** Tables and numbers as text. */

/** Rows under a head, the first column left and the others right; `undefined` is a rule. */
export const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string> | undefined>
): string => {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row?.[i]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ").trimEnd()
  const rule = widths.map((width) => "-".repeat(width)).join("  ")
  return [line(head), rule, ...rows.map((row) => row === undefined ? rule : line(row))].join("\n")
}

/** A count with thousands apart. */
export const count = (n: number): string => Math.round(n).toLocaleString("en-US")

/** Milliseconds, with three digits that count. */
export const millis = (ms: number): string => {
  if (Number.isNaN(ms)) return "-"
  if (ms < 1) return `${(ms * 1_000).toPrecision(3)} us`
  return ms < 999.5 ? `${ms.toPrecision(3)} ms` : `${(ms / 1_000).toPrecision(3)} s`
}

/** Bytes in MiB. */
export const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MiB`

/** Bytes in KiB, without the unit. */
export const kibibytes = (bytes: number, digits = 0): string =>
  (bytes / 1_024).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })

/** A share in percent. */
export const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`
