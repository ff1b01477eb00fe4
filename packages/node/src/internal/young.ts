/**
 * Has the engine collect what is young in step with what is read.
 *
 * What sockets read lies outside of V8's heap. As it grows V8 marks all that lives, at 25 MiB or so each time, which takes longer than to
 * read and open them, and finds all of it dead: a collection of the young alone would have given it back, for a fraction of that. Those
 * come with what is allocated inside of the heap, where reading allocates next to nothing. So for what was read twice as much is: as much
 * would do, but then as many bytes that were read wait to be collected as there is room for the young, which is 32 MiB by default.
 *
 * After a process had next to nothing to do for some seconds V8 keeps its heap small (`MemoryReducer`, `ShouldGrowHeapSlowly`): until it has grown by a tenth, and by
 * 10 MiB at the least, it marks as soon as three tenths of what lives were added, all that was read included. Of 35 MiB that live those are 10, which come before the
 * young are full, so V8 marks for each 10 MiB that are read, again and again, and a receiver took five times as long. So where it has marked while so much was
 * read, more is held until it has done so twice again. The first of the two moves that among the old, which is what V8 compares; only the second finds the heap
 * grown, and it is kept small no longer.
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

/** What is held where V8 keeps the heap small, in pieces: more than a tenth of `small`. */
const pieces = 1_536
const more = pieces * elements * elementBytes

/** Of larger heaps three tenths are more than what waits to be collected, so it does not matter whether V8 keeps them small. */
const small = 167_772_160

/** So many times as much as is held there has to be room for: what is held has the young grow, too. */
const roomy = 4

/** So many times as much is held at the most where less did not help, as where V8 made its heap small while something was held. */
const mostTimes = 4

/** Who read less since V8 last marked is not why it does. */
const many = 4_194_304

/**
 * Looks from one time to the next at the least, for each time as much, so that where it does not help, or the heap is not kept small, it costs little. And the most for
 * which it is held: whom V8 has not marked for twice meanwhile it does not keep small.
 */
const seldom = 8

/** What was made last. */
export let young: ReadonlyArray<unknown> | undefined

/** What this process holds so that its heap grows, while it does. */
export let held: ReadonlyArray<unknown> | undefined

/** Has a function called after each time that V8 has marked all that lives. */
export type Watch = (onMarked: () => void) => void

/** Holds something, and lets go of what it held. */
export type Hold = (pieces: ReadonlyArray<unknown> | undefined) => void

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

/**
 * Holds more where V8 has marked for what was read since the last look, until it has done so twice again, whether or not anything is read by then, or until it
 * has not for some looks. What is held while V8 makes the heap small is part of what it has to grow by: then twice as much helps. `look` is for each look, and
 * says whether it holds more now.
 */
const makeGrowth = (watch: Watch, hold: Hold) => {
  let sinceHeld = seldom
  let sinceMarked = 0
  let hasMarked = false
  let markings = 0
  let times = 1
  const letGo = () => {
    markings = 0
    hold(undefined)
  }
  watch(() => {
    if (sinceMarked >= many) hasMarked = true
    sinceMarked = 0
    if (markings > 0 && --markings === 0) letGo()
  })
  return {
    read: (bytes: number): void => {
      sinceMarked += bytes
    },
    look: (heap: Heap): boolean => {
      const hasMarkedMeanwhile = hasMarked
      hasMarked = false
      sinceHeld++
      if (markings > 0 && sinceHeld >= seldom) letGo()
      if (!hasMarkedMeanwhile || markings > 0) return false
      const isAgain = sinceHeld < seldom * times
      if (isAgain && times === mostTimes) return false
      const next = isAgain ? times * 2 : 1
      if (heap.used - heap.young > small || roomOf(heap) < roomy * next * more) return false
      times = next
      // Not by what makes the young: V8 makes where they survive what is made there old from the start.
      hold(Array.from({ length: times * pieces }, () => Array(elements)))
      markings = 2
      sinceHeld = 0
      return true
    }
  }
}

/** Of a process with a heap, which is looked at now and then; `undefined` where there is nothing to be known of it. */
export const make = (heap: () => Heap | undefined, watch: Watch, hold: Hold) => {
  let unseen = 0
  let isMade = false
  let growth: ReturnType<typeof makeGrowth> | undefined
  const hasRoom = (now: Heap | undefined): now is Heap => now !== undefined && roomOf(now) >= 0
  const look = (): boolean => {
    const now = heap()
    if (!hasRoom(now)) return false
    growth ??= makeGrowth(watch, hold)
    return !growth.look(now) || hasRoom(heap())
  }
  /** So many bytes were read, into memory that was made for them. */
  return (bytes: number): void => {
    if (bytes < few) return
    unseen -= bytes
    if (unseen <= 0) {
      unseen = between
      isMade = look()
    }
    growth?.read(bytes)
    if (!isMade) return
    for (let left = bytes * ratio; left > 0; left -= elements * elementBytes) young = Array(elements)
  }
}

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

/**
 * By something that nobody holds, which goes when all that lives was marked. A symbol, as V8 never makes those young: objects may go with the young, where V8 does
 * not hold what is weak then, as later ones do not.
 */
export const watchMarking: Watch = (onMarked) => gone.register(Symbol(), onMarked)

export const read = make(heap, watchMarking, (pieces) => {
  held = pieces
})
