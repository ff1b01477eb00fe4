/**
 * Has the engine collect what is young in step with what is read.
 *
 * What sockets read lies outside of V8's heap. As it grows V8 marks all that lives, at 25 MiB or so each time, which takes longer than to
 * read and open them, and finds all of it dead: a collection of the young alone would have given it back, for a fraction of that. Those
 * come with what is allocated inside of the heap, where reading allocates next to nothing. So for what was read twice as much is: as much
 * would do, but then as many bytes that were read wait to be collected as there is room for the young, which is 32 MiB by default.
 *
 * After a process had next to nothing to do for some seconds V8 keeps its heap small: until it has grown by 10 MiB, a tenth or more, it is to grow by three
 * tenths at each marking, all that was read included. Of 35 MiB that live those are 10, which come before the young are full, so V8 marks for each 10 MiB
 * that are read, again and again, and a receiver took five times as long. So where it has marked, `more` is held until it has done so twice again: then the
 * heap has grown, and V8 no longer keeps it small.
 *
 * What bites: it has to be made for real, so it is kept until the next is; and a piece must not be too large for the young. Where the heap is nearly
 * as large as it may be, V8 does not collect the young alone, and ends the process that fills them: so there nothing is made. Nor where the young may take more
 * than `largest`: they are not full before so much was read that V8 marks anyway, and all that is made costs two to three times of what it was to spare.
 */
import * as V8 from "node:v8"

/** Reads of fewer bytes, as those of many short calls are, have as much made for them in the heap as it is. */
const few = 32_768

/** Bytes that are made for each that was read. */
const ratio = 2

/** As many elements as take 16 KiB. */
const elements = 2_048
const elementBytes = 8

/** What V8 says that the heap may have counts the young three times, which is 192 MiB where nobody says otherwise. */
const youngInAll = 201_326_592

/** And some. */
const spare = 8_388_608

/** So much may the young take at the most, so that they are full first: V8 marks for each 75 MiB or so that are read. */
const largest = 100_663_296

/** Bytes that are read between one look at the heap and the next, which takes some microseconds. */
const between = 8_388_608

/** So many pieces are held where V8 keeps the heap small: a tenth, and some, of all heaps of which three tenths are less than what waits to be collected. */
const pieces = 1_536
const more = pieces * elements * elementBytes

/** Looks from one time to the next at the least, so that where it does not help, or nothing is kept small, it costs little. */
const seldom = 8

/** What was made last. */
export let young: ReadonlyArray<unknown> | undefined

/** What is held so that the heap grows, while it is. */
export let held: ReadonlyArray<unknown> | undefined

/** Has a function called after each time that V8 has marked all that lives. */
export type Watch = (onMarked: () => void) => void

/**
 * Holds more where V8 has marked all that lives since the last look, until it has done so twice again, whether or not anything is read by then: what is young is not
 * of the heap that grew before the first is over. Asked at each look.
 */
const makeGrowth = (watch: Watch) => {
  let sinceHeld = seldom
  let hasMarked = false
  let markings = 0
  watch(() => {
    hasMarked = true
    if (markings > 0 && --markings === 0) held = undefined
  })
  return (room: number): void => {
    sinceHeld++
    if (hasMarked && markings === 0 && sinceHeld >= seldom && room >= more) {
      held = Array.from({ length: pieces }, () => Array(elements))
      markings = 2
      sinceHeld = 0
    }
    hasMarked = false
  }
}

/** Of a process that has room for so many bytes more, or fewer than none, which is asked now and then. */
export const make = (room: () => number, watch: Watch) => {
  let unseen = 0
  let isMade = false
  const grow = makeGrowth(watch)
  /** So many bytes were read, into memory that was made for them. */
  return (bytes: number): void => {
    if (bytes < few) return
    unseen -= bytes
    if (unseen <= 0) {
      unseen = between
      const left = room()
      isMade = left >= 0
      grow(left)
    }
    if (!isMade) return
    for (let left = bytes * ratio; left > 0; left -= elements * elementBytes) young = Array(elements)
  }
}

/** Of a heap: what it may have, and has, of that the young; and how much the young may take before they are collected. */
export interface Heap {
  readonly most: number
  readonly used: number
  readonly young: number
  readonly youngAtMost: number
}

/**
 * What is left beyond what is needed for V8 to collect the young alone for what is made: they are full before it marks for what is read, and all of them would
 * find room among the old, before any is collected. Less than nothing: it does not.
 */
export const roomOf = ({ most, used, young, youngAtMost }: Heap): number =>
  youngAtMost > largest ? -1 : most - youngInAll - (used - young) - 2 * youngAtMost - spare

/** The heap of this process. `undefined` where that is not one of V8's, which has no need of it: Bun says that it does not know. */
const heap = (): Heap | undefined => {
  const { heap_size_limit: most, used_heap_size: used } = V8.getHeapStatistics()
  try {
    const space = V8.getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")
    if (space === undefined) return undefined
    const { space_available_size: left, space_used_size: young } = space
    return { most, used, young, youngAtMost: young + left }
  } catch {
    return undefined
  }
}

/** Told of what nobody held and is gone: a registry that nobody holds itself would be, too, and tell nothing. */
const gone = new FinalizationRegistry<() => void>((onMarked) => {
  watchMarking(onMarked)
  onMarked()
})

/** By something that nobody holds, which goes when all that lives was marked, and in no other collection. */
export const watchMarking: Watch = (onMarked) => gone.register({}, onMarked)

export const read = make(() => {
  const now = heap()
  return now === undefined ? -1 : roomOf(now)
}, watchMarking)
