/**
 * Has the engine collect what is young in step with what is read.
 *
 * What sockets read lies outside of V8's heap. As it grows V8 marks all that lives, at 25 MiB or so each time, which takes longer than to
 * read and open them, and finds all of it dead: a collection of the young alone would have given it back, at a fiftieth of the cost. Those
 * come with what is allocated inside of the heap, where reading allocates next to nothing. So for what was read twice as much is: as much
 * would do, but then as many bytes that were read wait to be collected as there is room for the young, which is 32 MiB by default.
 *
 * What bites: it has to be made for real, so it is kept until the next is; and a piece must not be too large for the young.
 */

/** Reads of fewer bytes have as much made for them in the heap as it is. */
const few = 16_384

/** Bytes that are made for each that was read. */
const ratio = 2

/** As many elements as take 16 KiB. */
const elements = 2_048
const elementBytes = 8

/** What was made last. */
export let young: ReadonlyArray<unknown> | undefined

/** So many bytes were read, into memory that was made for them. */
export const read = (bytes: number): void => {
  if (bytes < few) return
  for (let left = bytes * ratio; left > 0; left -= elements * elementBytes) young = Array(elements)
}
