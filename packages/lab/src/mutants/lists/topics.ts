/** Mutations of what publishes to whoever subscribes. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const groups = of("groups", "packages/core/src/internal/topics/groups.ts", suites("Groups"), {
  "gone": [
    `for (const entry of out) entry.fiber?.interruptUnsafe()`,
    `void out`,
    "what is out at a member that has left waits for it"
  ],
  "removed": [`      pool.remove(id)\n`, ``, "who has left is still handed deliveries"],
  "said": [
    `else if (isSame(known.member, member)) continue`,
    `else if (known !== undefined) continue`,
    "what a member says later of itself is not heard"
  ],
  "pending": [
    `this.#isClosed || this.#entries.size >= this.#options.pending`,
    `this.#isClosed`,
    "any number of deliveries wait"
  ],
  "closed": [
    `this.#isClosed || this.#entries.size >= this.#options.pending`,
    `this.#entries.size >= this.#options.pending`,
    "a delivery is taken by a group that has ended, and is never handed out"
  ],
  "memory": [
    `    this.#lacksMemory = !this.#options.take(bytes)\n`,
    `    this.#options.take(bytes)\n`,
    "what the memory has no room for is taken"
  ],
  "looks": [
    `    this.#options.give(bytes)\n    return true`,
    `    return true`,
    "to ask whether there is room takes some of it"
  ],
  "given": [
    `    this.#options.give(entry.bytes)\n`,
    ``,
    "what is done keeps its memory"
  ],
  "returned": [
    `        this.#options.give(bytes)\n      }\n      this.#wake()`,
    `      }\n      this.#wake()`,
    "what a group had when it ended keeps its memory"
  ],
  "ended": [
    `      return Fiber.interruptAll(fibers)`,
    `      return Effect.void`,
    "attempts go on after the group has ended"
  ],
  "end": [
    `if (!this.#isClosed) ended(exit)`,
    `ended(exit)`,
    "what a group had when it ended gives its memory twice, or is handed out once more"
  ],
  "wakes": [
    `    this.#noteIdle()\n    this.#wake()\n`,
    `    this.#noteIdle()\n`,
    "who waits for room is not told of it"
  ],
  "endWakes": [
    `      this.#wake()\n      return Fiber`,
    `      return Fiber`,
    "who waits for room when the group ends waits on"
  ],
  "spins": [
    `if (this.#isClosed) return Effect.never`,
    `if (this.#isClosed) return Effect.void`,
    "there is said to be room in a group that takes nothing"
  ],
  "waits": [
    `if (this.#entries.size >= this.#options.pending) return this.#oneDone\n`,
    `\n`,
    "there is said to be room where as many wait as may"
  ],
  "full": [
    `if (!this.#lacksMemory) return Effect.void`,
    `return Effect.void`,
    "there is said to be room where the memory is full"
  ],
  "others": [
    `return this.#entries.size === 0 ? memory : Effect.raceFirst(this.#oneDone, memory)`,
    `return this.#oneDone`,
    "where others have all of the memory, room is waited for in vain"
  ],
  "own": [
    `return this.#entries.size === 0 ? memory : Effect.raceFirst(this.#oneDone, memory)`,
    `return memory`,
    "what a delivery gave back is not known to who waits for memory"
  ],
  "order": [
    `firstOf(this.#again) ?? firstOf(this.#fresh)`,
    `firstOf(this.#fresh) ?? firstOf(this.#again)`,
    "what failed is handed out behind all that is new"
  ],
  "later": [
    `    this.#turnLater()\n`,
    ``,
    "where several places come free at once, one is used"
  ],
  "again": [
    `entry.delivery, entry.failures > 0)`,
    `entry.delivery, false)`,
    "a second member is not told that somebody had it"
  ],
  "avoids": [
    `      avoids: entry.avoids,\n`,
    ``,
    "what failed at a member goes there again though there are others"
  ],
  "all": [
    `entry.avoids = known >= this.#members.size ? [id] : avoids`,
    `entry.avoids = [id]`,
    "what two members cannot handle goes to and fro between them"
  ],
  "repeats": [
    `      repeats: never\n`,
    ``,
    "what nobody can handle is handed to all at once"
  ],
  "pause": [
    `pauseFirst * 2 ** Math.min(failures - 2, 30)`,
    `pauseFirst`,
    "what nobody can handle is handed out ten times a second"
  ],
  "pauseMost": [
    `Effect.sleep(Math.min(pauseMost, `,
    `Effect.sleep(Math.max(0, `,
    "what nobody could handle for long is handed to nobody for hours"
  ],
  "atOnce": [
    `    if (failures === 1) {`,
    `    if (failures === 0) {`,
    "what a lost member had waits"
  ],
  "defect": [
    `if (defect !== undefined) this.#complain(exit)`,
    `if (defect !== undefined) return`,
    "a delivery whose attempt broke is never handed out again"
  ],
  "silent": [
    `if (defect !== undefined) this.#complain(exit)`,
    `void defect`,
    "nobody is told of an attempt that broke"
  ],
  "leavesTurn": [
    `if (this.#looking === entry) this.#looking = undefined`,
    `void this.#looking`,
    "what was given up while it looked for a place keeps its turn",
    { equivalent: "what looks for a place is given up only where the group ends" }
  ],
  "idle": [
    `else this.idleSince ??= nowUnsafe(this.#clock)`,
    `else this.idleSince = nowUnsafe(this.#clock)`,
    "a group that is told again that nobody is there counts as idle from then"
  ],
  "busy": [
    `this.#members.size === 0 && this.#entries.size === 0`,
    `this.#members.size === 0`,
    "a group that has something to hand out is idle"
  ],
  "deadline": [
    `Context.add(yield* Effect.context<never>(), CurrentDeadline, undefined)`,
    `yield* Effect.context<never>()`,
    "what is delivered has the time of the work that made the group"
  ],
  "whenNobody": [
    `        whenNobody: Duration.infinity,\n`,
    ``,
    "what waits for a member is handed out by and by at the most"
  ],
  "whenFull": [
    `        whenFull: Duration.infinity,\n`,
    ``,
    "what waits while all are full is said to have been handed out"
  ],
  "many": [
    `        pending,\n        leaveOutMax`,
    `        pending: 64,\n        leaveOutMax`,
    "a member has 64 at the most, whatever it says"
  ],
  "leaveOutMost": [
    `        leaveOutMax: leaveOutMost\n`,
    ``,
    "who failed for long and is well is left out for a minute"
  ]
})

export const topicsList: ReadonlyArray<Mutation> = [...groups]
