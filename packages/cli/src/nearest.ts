/**
 * What may have been meant by a name that is none of those there are.
 */

/** How many letters have to be put in, left out, changed, or swapped with their neighbours, to make one text of the other. */
const distance = (one: string, other: string): number => {
  const [a, b] = [[...one.toLowerCase()], [...other.toLowerCase()]]
  let before: ReadonlyArray<number> = []
  let last: ReadonlyArray<number> = b.map((_, j) => j).concat(b.length)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : change
      row.push(Math.min(row[j - 1]! + 1, last[j]! + 1, change, swap))
    }
    before = last
    last = row
  }
  return last[b.length]!
}

// Names of peers are others' words: so many of them, of that length, are looked at.
const longest = 64
const most = 1_024
const shown = 3

/** Those of `names` that look like `text`, the nearest first. */
export const nearest = (text: string, names: Iterable<string>): ReadonlyArray<string> => {
  if (text.length > longest) return []
  // A third of it may be wrong.
  const may = Math.max(1, Math.floor(text.length / 3))
  return [...new Set(names)].slice(0, most).filter((name) => name !== text && name.length <= longest)
    .map((name) => ({ name, far: distance(text, name) }))
    .filter(({ far, name }) => far <= may && far < name.length)
    .toSorted((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1))
    .slice(0, shown)
    .map(({ name }) => name)
}

/** Several as people list them: `a`, `a or b`, `a, b or c`. */
export const orOf = (names: ReadonlyArray<string>): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`

/** The question after what was meant, to be asked before what else there is to do; `undefined` where nothing is near. */
export const didYouMean = (text: string, names: Iterable<string>): string | undefined => {
  const near = nearest(text, names).map((name) => JSON.stringify(name))
  return near.length === 0 ? undefined : `did you mean ${orOf(near)}?`
}
