/**
 * Numbers with their units, as people read them.
 */

const sizes = ["B", "kB", "MB", "GB", "TB", "PB"]

/** Bytes: `512 B`, `1.5 MB`. */
export const sizeOf = (bytes: number): string => {
  let size = bytes
  let unit = 0
  while (size >= 999.95 && unit < sizes.length - 1) {
    size /= 1_000
    unit++
  }
  return `${unit === 0 || size >= 99.95 ? Math.round(size) : Number(size.toFixed(1))} ${sizes[unit]}`
}
