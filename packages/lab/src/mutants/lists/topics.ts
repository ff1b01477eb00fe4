/** Mutations of what publishes to whoever subscribes. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const groups = of("groups", "packages/core/src/internal/topics/groups.ts", suites("Groups"), {
  "gone": [
    `for (const tried of [...out, ...late]) tried.fiber?.interruptUnsafe()`,
    `void [out, late]`,
    "what is out at a member that has left waits for it"
  ],
  "said": [
    `else if (isSame(known.member, member)) continue`,
    `else if (known !== undefined) continue`,
    "what a member says later of itself is not heard"
  ],
  "pending": [
    `if (this.#entries.size >= this.#options.pending || !this`,
    `if (!this`,
    "any number of deliveries wait"
  ],
  "pendingRoom": [
    `this.#entries.size < this.#options.pending && `,
    ``,
    "there is said to be room where as many wait as may"
  ],
  "closed": [
    `    if (this.#isClosed) return false\n    const { bytes }`,
    `    const { bytes }`,
    "a delivery is taken by a group that has ended, and is never handed out"
  ],
  "closedRoom": [`return !this.#isClosed && `, `return `, "there is said to be room in a group that has ended"],
  "memory": [` || !this.#options.take(bytes)) {`, `) {`, "what the memory has no room for is taken"],
  "memoryRoom": [
    ` && this.#options.has(bytes, all)`,
    ``,
    "there is said to be room where the memory has none"
  ],
  "skipped": [`      this.#skipped++\n`, ``, "nobody is told of what was given up"],
  "skippedOnce": [
    `    this.#skipped = 0\n    this.#entries.add`,
    `    this.#entries.add`,
    "what was given up is told with each delivery"
  ],
  "leavesTurn": [
    `if (isLast && this.#looking === entry) this.#looking = undefined`,
    `void this.#looking`,
    "what was done by another while it looked for a place keeps its turn"
  ],
  "returned": [
    `        this.#options.give(bytes)\n      }\n      return Fiber`,
    `      }\n      return Fiber`,
    "what a group had when it ended keeps its memory"
  ],
  "patience": [
    `out.size > 0 && now - progressAt >= this.#options.patience`,
    `out.size > 1e9 && now - progressAt >= this.#options.patience`,
    "one that acknowledges nothing keeps what it has for good"
  ],
  "progress": [
    `    holder.progressAt = nowUnsafe(this.#clock)\n    if (!this`,
    `    if (!this`,
    "one that works through what it has is taken for one that does nothing"
  ],
  "begins": [
    `if (holder.out.size === 0) holder.progressAt = nowUnsafe(this.#clock)`,
    `void holder.progressAt`,
    "one that had nothing to do is taken for one that does nothing"
  ],
  "one": [
    `else if (now - known.firstSince >= this.#options.patience) this.#pass(first, known)`,
    `else void first`,
    "what a member keeps of many is handed to nobody else"
  ],
  "firstSince": [
    `        known.first = first\n        known.firstSince = now`,
    `        known.first = first`,
    "what a member comes to is taken from it at once"
  ],
  "another": [
    `if (first === undefined || !this.#hasAnother(known, now)) continue`,
    `if (first === undefined) continue`,
    "what is slow is left out where nobody else is there"
  ],
  "anotherLate": [
    ` || this.#isLate(other, now)) continue`,
    `) continue`,
    "what all are slow with goes to and fro"
  ],
  "anotherStuck": [
    `if (late.size === 0 || !this.#unproven.has(id)) return true`,
    `return true`,
    "what one is slow with goes to another that did nothing before"
  ],
  "anotherNone": [
    ` || draining || capacity < 1 || `,
    ` || `,
    "what a member has goes to one that takes nothing"
  ],
  "proven": [
    `if (!this.#unproven.delete(holder.id)) return`,
    `if (!this.#unproven.has(holder.id)) return`,
    "one that was slow once is handed one at a time for good"
  ],
  "keeps": [
    `for (const other of entry.others) if (other.holder === holder) return this.#keep(other, holder)`,
    `void holder`,
    "what one that was slow has is handed to it a second time"
  ],
  "keptOut": [
    `    holder.late.delete(tried)\n    this.#give(tried, holder)`,
    `    void tried`,
    "what one that was slow keeps is handed to nobody else any more"
  ],
  "doneElsewhere": [
    `    for (const { fiber } of entry.others) fiber?.interruptUnsafe()\n`,
    ``,
    "one that was slow is taken to have what another has done"
  ],
  "doneLate": [
    `    entry.last?.fiber?.interruptUnsafe()\n`,
    ``,
    "what one that was slow has done stays with the other"
  ],
  "doneAgain": [
    `    this.#again.delete(entry)\n    this.#options.give`,
    `    this.#options.give`,
    "what is done is handed out again"
  ],
  "lateFails": [
    `if (isLast) this.#failed(entry, holder?.id)`,
    `this.#failed(entry, holder?.id)`,
    "what a slow member gives back is handed out once more than it is"
  ],
  "lateEnds": [
    `last === undefined ? others : [last, ...others]`,
    `last === undefined ? [] : [last]`,
    "attempts at slow members go on after the group has ended"
  ],
  "removed": [`      pool.remove(id)\n`, ``, "who has left is still handed deliveries"],
  "given": [
    `    this.#options.give(entry.bytes)\n`,
    ``,
    "what is done keeps its memory"
  ],
  "ended": [
    `      return Fiber.interruptAll(fibers)`,
    `      return Effect.void`,
    "attempts go on after the group has ended"
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
    `entry.delivery, entry.failures > 0, `,
    `entry.delivery, false, `,
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
  "idle": [
    `else this.aloneSince ??= nowUnsafe(this.#clock)`,
    `else this.aloneSince = nowUnsafe(this.#clock)`,
    "a group that is told again that nobody is there counts as without members from then"
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

const inTopics = (name: string) => `packages/core/src/internal/topics/${name}.ts`

const outlet = of("outlet", inTopics("outlet"), suites("Outlet"), {
  "size": [`if (ring.length >= options.size) {`, `if (ring.length > options.size) {`, "one more waits than may"],
  "newest": [
    `      if (options.drop === "newest") return options.onDrop(a)\n      this.#drop()\n    }\n    while`,
    `      this.#drop()\n    }\n    while`,
    "the oldest goes where the newest is to be dropped"
  ],
  "keySize": [`if (keys.size >= options.size) {`, `if (keys.size > options.size) {`, "one more key waits than may"],
  "given": [
    `    this.#options.give(this.#options.bytesOf(a))\n    this.#options.onDrop(a)`,
    `    this.#options.onDrop(a)`,
    "what is dropped keeps its memory"
  ],
  "keyGiven": [
    `    this.#options.give(this.#options.bytesOf(place.value))\n`,
    ``,
    "a key that is dropped keeps its memory"
  ],
  "told": [
    `    } else place.value = a\n    options.onDrop(older)`,
    `    } else place.value = a`,
    "nobody is told of what a newer one followed"
  ],
  "less": [
    `if (more < 0) options.give(-more)`,
    `if (more < 0) void more`,
    "a smaller value keeps the memory of the larger"
  ],
  "more": [`else if (more > 0) {`, `else if (more > 1e9) {`, "a larger value takes no more memory"],
  "itself": [
    `const oldest = first === place ? place.after : first`,
    `const oldest = first`,
    "a value is put in a place that has gone"
  ],
  "taken": [
    `if (a !== undefined) this.#options.give(this.#options.bytesOf(a))`,
    `void a`,
    "what goes out keeps its memory"
  ],
  "windowSize": [
    `return this.#ring.length < this.#size`,
    `return this.#ring.length <= this.#size`,
    "one more waits than may"
  ],
  "resize": [
    `    this.#size = size\n  }\n\n  /** Has it wait`,
    `    void size\n  }\n\n  /** Has it wait`,
    "another size does not count"
  ],
  "windowMemory": [
    `if (!this.hasRoom || !this.#options.take(this.#options.bytesOf(a))) return false`,
    `if (!this.hasRoom) return false`,
    "what waits takes no memory"
  ],
  "unsent": [`while (this.#known > 0 && `, `while (ring.length > 0 && `, "what was never sent is taken"],
  "until": [`seqOf(ring.at(0)) <= seq)`, `seqOf(ring.at(0)) < seq)`, "the last that was taken is not"],
  "sent": [`if (this.#sent > 0) this.#sent--`, `void this.#sent`, "after some were taken others are not sent"],
  "knownAgain": [
    `  again(): void {\n    this.#sent = 0`,
    `  again(): void {\n    this.#sent = this.#known = 0`,
    "what was sent on the stream before cannot be taken"
  ],
  "again": [
    `  again(): void {\n    this.#sent = 0`,
    `  again(): void {\n    void this.#sent`,
    "what was not taken is not sent again"
  ],
  "cleared": [
    `    this.#sent = 0\n    this.#known = 0`,
    `    this.#sent = 0`,
    "what is put after all were let go counts as sent"
  ]
})

const retained = of("retained", inTopics("retained"), suites("Retained"), {
  "anew": [`    this.remove(key)\n    const bytes`, `    const bytes`, "a key has two values"],
  "large": [
    `if (bytes > most || mostKeys < 1) {`,
    `if (bytes > most + 1e6 || mostKeys < 1) {`,
    "all goes for a value that never has room"
  ],
  "keys": [
    `while (keys.size >= mostKeys || `,
    `while (keys.size > mostKeys || `,
    "there is one key more than there may be"
  ],
  "bytes": [`this.#bytes + bytes > most) this`, `this.#bytes > most) this`, "there are more bytes than there may be"],
  "told": [`    this.#options.onDrop?.(place.key, value)\n`, `    void value\n`, "nobody is told of a key that went"],
  "toldItself": [
    `        onDrop?.(key, value)\n        return false\n      }\n      this`,
    `        return false\n      }\n      this`,
    "nobody is told of a value that others' memory left no room for"
  ],
  "counted": [`    this.#bytes += bytes\n`, ``, "bytes are not counted"],
  "given": [
    `    this.#options.give(bytes + (this.#options.overhead ?? 0))\n`,
    ``,
    "what went keeps its memory"
  ],
  "overhead": [
    `while (!take(bytes + overhead)) {`,
    `while (!take(bytes)) {`,
    "what is kept takes less memory than it does"
  ],
  "expiry": [`next <= now; next`, `next < now; next`, "a value outlives its time"],
  "all": [`      else gone.push(first!.key)\n`, ``, "one key of several that expired is told"]
})

const memory = of("memory", inTopics("memory"), suites("Outlet"), {
  "total": [`if (this.#held + bytes > this.#total) return false\n`, `\n`, "all together hold more than there is"],
  "share": [`if (own > this.share) return false\n    if`, `void this.share\n    if`, "one holds all of it"],
  "quarter": [`Math.floor(total / 4)`, `Math.floor(total / 2)`, "one holds half of it"],
  "has": [`return this.#held + all <= this.#total && `, `return `, "there is said to be room where others hold it"],
  "hasOwn": [
    ` && (this.#owners.get(owner) ?? 0) + bytes <= this.share`,
    ` && (this.#owners.get(owner) ?? 0) <= this.share`,
    "there is said to be room for more than one may hold"
  ],
  "move": [
    `    if (own > this.share) return false\n    this.give`,
    `    this.give`,
    "one comes to hold more than its share"
  ],
  "moved": [
    `    if (own > 0) this.#owners.set(to, own)\n    this.#held += bytes\n    return true\n  }\n\n  /** Has an owner hold so many bytes less`,
    `    if (own > 0) this.#owners.set(to, own)\n    return true\n  }\n\n  /** Has an owner hold so many bytes less`,
    "what changes hands is held by nobody"
  ],
  "given": [
    `const given = Math.min(own, bytes)`,
    `const given = bytes`,
    "who gives back more than it holds takes of others"
  ]
})

const route = of("route", inTopics("route"), suites("Machines", "Route"), {
  "least": [
    `(["buffer", "latest"] as const)`,
    `(["latest", "buffer"] as const)`,
    "one that is to have all has the newest of each key"
  ],
  "groups": [
    `entries.filter(({ group }) => group === undefined)\n  const sizes`,
    `entries.filter(() => true)\n  const sizes`,
    "a member of a group is sent all"
  ],
  "smallest": [
    `Math.min(...sizes),`,
    `Math.max(...sizes),`,
    "one that loses nothing is sent more than it has room for"
  ],
  "largest": [
    `size: Math.max(...those`,
    `size: Math.min(...those`,
    "a subscription with room misses what another has none for"
  ],
  "skip": [`this.#window?.skip()`, `void this.#window`, "what comes again for one that has ended is said to others"],
  "spilledBefore": [
    `if (length > 0 && this.#outlet !== undefined`,
    `if (length > 9 && this.#outlet !== undefined`,
    "what comes again is held to be retained, though others were told that it is not"
  ],
  "spills": [
    `if (outlet === undefined || loose === undefined) return`,
    `if (outlet === undefined || loose === undefined || this.#window !== undefined) return`,
    "one that is to lose nothing keeps from others what it does not take"
  ],
  "spillsInOrder": [
    `return window.hasRoom && (this.#outlet === undefined || this.#outlet.length === 0)`,
    `return window.hasRoom`,
    "what is kept for one that is to lose nothing is sent before what came earlier"
  ],
  "spillsLatest": [
    `inOrder: window !== undefined,`,
    `inOrder: false,`,
    "what comes out of order is taken for what came before"
  ],
  "spillRoom": [
    `if (loose !== undefined && this.#window !== undefined && this.#outlet.length === 0) this.#owner.roomMade()`,
    `void loose`,
    "who waits for one that is to lose nothing waits on, when others have what is theirs"
  ],
  "spillKept": [
    `this.#outlet = loose === undefined`,
    `this.#outlet = loose === undefined || isKept`,
    "others have nothing more where they are others than before"
  ],
  "oldest": [
    `those.every(({ drop }) => drop`,
    `those.some(({ drop }) => drop`,
    "the newest is dropped for one that wants it"
  ],
  "newRun": [
    `if (!this.#entries.some(({ id }) => ids.has(id))) this.#keep(nothing)`,
    `void ids`,
    "what waited for a run that is over is sent to the next"
  ],
  "toldOnce": [
    `if (!ids.has(id)) this.#told.delete(id)`,
    `void id`,
    "a subscription that comes back is not told of the topic"
  ],
  "resized": [
    `const isKept = window !== undefined && this.#window !== undefined`,
    `const isKept = window !== undefined && this.#window === null`,
    "what was sent and is not taken is forgotten where the subscriptions are others"
  ],
  "kept": [
    `for (const said of waiting) this.#add(said)`,
    `void waiting`,
    "what waits is lost where the mode is another"
  ],
  "missed": [`    if (said.body !== undefined) this.#missed++\n`, ``, "what was dropped is not counted"],
  "patchy": [
    `if (kept === said || kept === undefined) this`,
    `if (kept === undefined) this`,
    "the newest of a key is never told again"
  ],
  "patchyAll": [
    `if (kept === said || kept === undefined) this`,
    `if (this !== undefined) this`,
    "all is told again for a value that a newer one followed"
  ],
  "windowDropped": [
    `loose === undefined) return this.#dropped(said)`,
    `loose === undefined) return`,
    "what there is no room for at one that is to lose nothing is not counted"
  ],
  "withdraw": [`if (at >= 0) this.#urgent.splice(at, 1)`, `void at`, "what is not wanted any more is sent"],
  "withdrawOther": [
    `if (at >= 0) this.#urgent.splice`,
    `if (at >= -1) this.#urgent.splice`,
    "another delivery is not sent"
  ],
  "over": [
    `  over(): void {\n    this.#urgent.length = 0`,
    `  over(): void {\n    void this.#urgent`,
    "what went to others is sent on the next stream"
  ],
  "takenReady": [
    `    if (this.#isPatchy) this.#owner.ready(this)\n`,
    ``,
    "one that has room again is not told what it lacks"
  ],
  "takenRoom": [
    `ready(this)\n    this.#owner.roomMade()\n  }\n\n  /** A new`,
    `ready(this)\n  }\n\n  /** A new`,
    "who waits for room waits on"
  ],
  "tellsAgain": [`    this.#told.clear()\n`, ``, "a new stream begins with values of a topic that was not told"],
  "snapshotAgain": [
    `    this.isTold = false\n    this.#snapshot = undefined\n    this.#isWhole = true`,
    `    this.isTold = false`,
    "what is left of the last stream's retained values comes on the next",
    { equivalent: "the topic is told first on a stream, which takes the snapshot anew where there is one to be said" }
  ],
  "again": [`    this.#window?.again()\n`, ``, "what was not taken is not sent on the next stream"],
  "urgentFirst": [
    `    const urgent = this.#urgent.shift()\n    if (urgent !== undefined) return [urgent]\n    if (this.#snapshot !== undefined) return this.#ofSnapshot(this.#snapshot)`,
    `    if (this.#snapshot !== undefined) return this.#ofSnapshot(this.#snapshot)\n    const urgent = this.#urgent.shift()\n    if (urgent !== undefined) return [urgent]`,
    "a delivery waits behind all that is retained"
  ],
  "missedLate": [
    `if (this.#missed > 0 && this.#waiting > 0) {`,
    `if (this.#missed > 0 && this.#waiting > 1) {`,
    "what was missed is not said before what comes behind it"
  ],
  "missedTwice": [
    `      this.#missed = 0\n      return [record]`,
    `      this.#missed = Math.floor(this.#missed / 2)\n      return [record]`,
    "what was missed is counted twice"
  ],
  "current": [
    `if (!this.#isWhole && this.#before <= 0) {`,
    `if (!this.#isWhole && this.#before <= 1) {`,
    "all is said to be there before the last of it is"
  ],
  "currentNever": [
    `      this.#before = 0\n      return this.next()\n    }\n    if`,
    `      this.#isWhole = true\n    }\n    if`,
    "where all that waited was dropped it is never said that all is there"
  ],
  "before": [`      this.#before--\n`, ``, "it is said that all is there behind what came since"],
  "room": [
    `if (!this.#isPatchy || this.#outlet === undefined && this.#window?.hasRoom === false) return undefined`,
    `if (!this.#isPatchy) return undefined`,
    "all is told again to one that has no room for more"
  ],
  "retaining": [
    `this.#entries.filter(({ group, retained }) => group === undefined && retained)`,
    `this.#entries`,
    "subscriptions that do not want what is retained are told anew"
  ],
  "retains": [
    `entries.some(({ group, retained }) => group === undefined && retained)`,
    `true`,
    "what is retained is told to those who do not want it"
  ],
  "twice": [
    `if (said !== undefined && !waiting.has(said)) this`,
    `if (said !== undefined) this`,
    "what waits is told twice"
  ],
  "patchyWaits": [
    `if (waiting.size === 0) this.#isPatchy = false`,
    `this.#isPatchy = false`,
    "an older value than the newest is the last that is told"
  ],
  "missedTold": [
    `    this.#missed = seq + 1 - first - values\n`,
    ``,
    "what the topic's number tells is said once more"
  ],
  "missedBehind": [
    `this.#missed = seq + 1 - first - values`,
    `this.#missed = 0`,
    "what was dropped behind what waits is told to nobody who comes"
  ],
  "seq": [`seq: first - 1,`, `seq,`, "what waits counts as lost"],
  "newer": [
    `if (retained?.get(keyOf(said)) === said) return`,
    `if (said !== undefined) return`,
    "what is no longer retained is told as if it were"
  ],
  "meanwhile": [
    `    this.#before = this.#waiting\n`,
    `    this.#before = 0\n`,
    "all is said to be there before what was published meanwhile"
  ]
})

const source = of("source", inTopics("source"), suites("Machines", "Route"), {
  "missedAgain": [
    `const known = Math.min(count, -this.#ahead)`,
    `const known = 0`,
    "what was told as missed is missed once more on the next stream"
  ],
  "first": [
    `this.#accounted === undefined ? 0 : `,
    `this.#accounted === -1 ? 0 : this.#accounted === undefined ? seq : `,
    "all that was published before counts as missed",
    { equivalent: "nobody listens to it before it is told of first" }
  ],
  "newcomers": [
    `    if (lost > 0) this.#miss(lost)\n    for (const listener of listeners) this.listeners.add(listener)`,
    `    for (const listener of listeners) this.listeners.add(listener)\n    if (lost > 0) this.#miss(lost)`,
    "who is new has missed what was lost before"
  ],
  "missed": [
    `    this.#accounted = (this.#accounted ?? 0) + count\n`,
    ``,
    "what was said to be missed is missed again with the next stream"
  ],
  "groups": [
    `if (listener.interest.group === undefined) listener.miss`,
    `listener.miss`,
    "a member of a group misses what others got"
  ],
  "heard": [`    this.#accounted = (this.#accounted ?? 0) + 1\n`, ``, "what came is missed with the next stream"],
  "again": [
    `if (heard.seq <= this.#again) return this.#repeated(heard)`,
    `void this.#again`,
    "what is sent again is heard twice"
  ],
  "members": [
    `      if (listener.interest.group !== undefined) continue\n      listener.hear`,
    `      listener.hear`,
    "a member of a group hears what is for all"
  ],
  "fresh": [`      fresh.add(listener)\n`, ``, "nobody is told that there are news"],
  "removed": [
    `if (heard.body === undefined && this.#keepers > 0) this.#settle()`,
    ``,
    "what is no longer retained is never taken"
  ],
  "lossless": [
    `if (mode !== "lossless" || group !== undefined) continue`,
    `if (group !== undefined) continue`,
    "those who may miss some hold the publisher up"
  ],
  "losslessGroup": [
    `if (mode !== "lossless" || group !== undefined) continue`,
    `if (mode !== "lossless") continue`,
    "a member of a group holds the publisher up"
  ],
  "all": [
    `while (untaken.length > 0 && untaken[0]!.left <= 0) until`,
    `while (untaken.length > 0 && untaken[0]!.left <= 1) until`,
    "what one has taken counts for both"
  ],
  "order": [
    `this.onTaken?.(first === undefined ? this.#highest : first.seq - 1)`,
    `this.onTaken?.(this.#highest)`,
    "what was not taken is said to be"
  ],
  "together": [
    `if (++this.#untold >= this.#together || untaken.length === 0) this`,
    `if (++this.#untold >= this.#together) this`,
    "the last that was taken is not said to be"
  ],
  "parts": [
    `Math.ceil(least / parts)`,
    `Math.ceil(least * parts)`,
    "the window is full before anything is said to be taken"
  ],
  "lostAgain": [`    else this.#miss(1)\n`, ``, "what the publisher has sent in vain is not counted"],
  "left": [
    `    this.listeners.delete(listener)\n    this.#look()`,
    `    this.listeners.delete(listener)`,
    "one that has left is waited for"
  ]
})

const subscription = of("subscription", inTopics("subscription"), suites("Machines"), {
  "closed": [
    `if (this.isClosed) return void heard.answer?.("back")`,
    `void heard`,
    "what is handed to one that has ended is lost"
  ],
  "seen": [`if (retained && seq <= seen) return`, `void retained`, "what is retained is given again with each stream"],
  "events": [`if (body === undefined && !this.#events) return`, `void body`, "what was removed is given as a value"],
  "behind": [
    `{ heard, missed: taken(this.#behind, origin) }`,
    `{ heard, missed: 0 }`,
    "what was missed is not told with the next"
  ],
  "tooMany": [
    `if (of > this.interest.size) return this.#refuse(item)`,
    `void of`,
    "a publisher has more wait than it may"
  ],
  "room": [
    `(this.#of.get(origin) ?? 0) < this.interest.size && `,
    ``,
    "there is said to be room where as many wait as may"
  ],
  "took": [`    this.#took(heard)\n    const count`, `    const count`, "what there was no room for is never taken"],
  "toowned": [
    `    else this.#of.delete(origin)\n    origin.took(seq)`,
    `    else this.#of.delete(origin)`,
    "what was read is never taken"
  ],
  "retainedMissed": [
    `missed + (retained || body === undefined ? 0 : 1)`,
    `missed + 1`,
    "a retained value that was dropped counts as missed"
  ],
  "where": [
    `add(item === this.#offered ? this.#behind : this.#before, origin, count)`,
    `add(this.#before, origin, count)`,
    "what is dropped as it comes counts before what came earlier"
  ],
  "dropped": [
    `if (answer !== undefined) return this.#answer(heard, "back")`,
    `void answer`,
    "a delivery that is dropped is never handed to another"
  ],
  "unanswered": [`    this.unanswered--\n`, ``, "what was answered counts as open"],
  "once": [`      if (isAnswered) return\n`, ``, "a delivery is answered twice"],
  "before": [`missed: missed + taken(this.#before, heard.origin)`, `missed`, "what was dropped here is not told"],
  "held": [
    `if (this.#events && missed > 0) {`,
    `if (this.#events && missed > 1e9) {`,
    "who watches is not told what was missed"
  ],
  "handedOn": [
    `if (heard.answer !== undefined) this.#answer(heard, "back")`,
    `if (heard.answer !== undefined) void heard`,
    "what a subscription has when it ends is done by nobody"
  ],
  "counted": [`if (missed > 0) this.#onMissed(missed)`, `void missed`, "what a subscription missed is in no count"],
  "newestKey": [
    "return `${from.publicKey} ${epoch} ${topic} ",
    "return `${from.publicKey} ${topic} ",
    "a value follows one of another run of the publisher"
  ]
})

const rows = of("rows", inTopics("rows"), suites("Machines"), {
  "weight": [
    `Math.max(perItem, weigh(body))`,
    `perItem`,
    "what values in a table are made to counts for nothing",
    { tests: ["Bounds.sim"] }
  ],
  "late": [
    `if (known !== undefined && seq < known.seq) return`,
    `void seq`,
    "an older value takes the place of the newer"
  ],
  "same": [`      known.isOld = false\n      return`, `      return`, "what is said again is taken for what was not"],
  "given": [
    `    if (known !== undefined) give(owner, known.bytes)\n`,
    ``,
    "a row that is another keeps the memory of the one before"
  ],
  "full": [
    `      if (known !== undefined) this.#drop(origin, of, key)\n      return full`,
    `      return full`,
    "an old row stays where the new one has no room"
  ],
  "unreadable": [
    `      give(owner, bytes)\n      if (known !== undefined) this.#drop(origin, of, key)`,
    `      give(owner, bytes)`,
    "an old row stays where the new one cannot be read"
  ],
  "unreadableMemory": [
    `      give(owner, bytes)\n      if (known`,
    `      if (known`,
    "what cannot be read takes memory"
  ],
  "removedMemory": [
    `    this.#options.give(origin.from.publicKey, known.bytes)\n`,
    ``,
    "a row that is gone keeps its memory"
  ],
  "begin": [`known.isOld = true`, `void known`, "what is no longer retained stays"],
  "whole": [`if (isOld) this.#remove(origin, of, key)`, `this.#remove(origin, of, key)`, "what was told again goes"],
  "closed": [
    `give(from.publicKey, bytes)\n    }`,
    `void [from, bytes]\n    }`,
    "a table that has ended keeps its memory"
  ],
  "ended": [`    if (this.isClosed) return\n`, ``, "a table that has ended takes memory"]
})

const hearing = of("hearing", inTopics("hearing"), suites("Wire.sim", "Bounds.sim", "Topics.sim"), {
  "keepers": [
    `if (isKeeper(interest)) remember(`,
    `if (interest.id < 0) remember(`,
    "what comes again for one that has ended is heard twice by others"
  ],
  "often": [
    `if (!this.#streams.take(publicKey, this.#now())) {`,
    `if (this.#now() < 0) {`,
    "a peer opens any number of streams"
  ],
  "one": [
    `      before.fiber?.interruptUnsafe()\n      this.#over(before)`,
    `      void before`,
    "a peer has two streams"
  ],
  "rate": [`if (++count > limits.topicRate) {`, `if (++count > 1e9) {`, "a peer is read as fast as it writes"],
  "wrong": [
    `if (typeof record === "string") return yield* this.#wrong(inbound, record)`,
    `if (typeof record === "string") continue`,
    "what is no record is skipped"
  ],
  "wrongBefore": [
    `    this.#settle(inbound)\n    return Effect.andThen(`,
    `    return Effect.andThen(`,
    "what came before a record that is none is not read"
  ],
  "long": [
    `if (reader.isWrong) return yield* this.#wrong(inbound, "it is too long")`,
    `void reader`,
    "a record that is too long leaves its stream open"
  ],
  "contract": [
    `meant.filter(({ interest }) => isTaken(interest, contract))`,
    `meant`,
    "values of another contract are read"
  ],
  "allow": [
    `if (allow === undefined) return Effect.succeed(true)\n`,
    `if (allow !== null) return Effect.succeed(true)\n`,
    "who may not publish to a subscription does"
  ],
  "group": [
    `[...source.listeners].filter(({ interest }) => interest.group === group)`,
    `[...source.listeners]`,
    "a delivery goes to another group"
  ],
  "most": [
    `listener.unanswered >= listener.interest.size`,
    `listener.unanswered > listener.interest.size`,
    "a member is handed one more than it takes"
  ],
  "forget": [
    `return this.#end(inbound, record.index, source)`,
    `return`,
    "what was forgotten is heard"
  ],
  "judged": [
    `for (const inbound of this.#inbound.values()) this.#parts.fork(this.#judge(inbound))`,
    `void this.#inbound`,
    "what a peer may publish is what it might when its stream began"
  ],
  "judgedAll": [
    `if (!Rights.allows(rights.publishes, topic)) this.#refuse(`,
    `if (Rights.allows(rights.publishes, topic)) this.#refuse(`,
    "one that may publish a topic is refused when the policy is another"
  ],
  "judgedNext": [
    `      inbound.rights = rights\n`,
    ``,
    "what a peer tells of next is judged by what it might before"
  ],
  "patience": [
    `source.endedAt !== undefined && now - source.endedAt >= patience`,
    `source.endedAt !== undefined && now - source.endedAt >= 1e9`,
    "what a publisher retained is there for good, where its streams have ended and it is there",
    { tests: ["Hostile.sim"] }
  ],
  "patienceEarly": [
    `source.endedAt !== undefined && now - source.endedAt >= patience`,
    `source.endedAt !== undefined`,
    "what a publisher retained is gone with each stream that ends",
    { tests: ["Hostile.sim"] }
  ],
  "heardAgain": [
    `      source.endedAt = undefined\n`,
    ``,
    "what a publisher retains is gone though it is heard again",
    { tests: ["Hostile.sim"] }
  ]
})

const waitedFor = of(
  "waited-for",
  "packages/core/src/internal/topics/publishing.ts",
  suites("Topics.sim", "Bounds.sim"),
  {
    "group": [
      `    if (!groups.every((name) => topic.groups.has(name))) return false\n`,
      `    void groups\n`,
      "what names a group that is not there is published to nobody"
    ],
    "peer": [
      `return peers.every((name) => there.has(name))`,
      `return peers.length > 0 || there.size > 0`,
      "what names a peer that is not there is published to nobody"
    ],
    "some": [
      `peers.every((name) => there.has(name))`,
      `peers.some((name) => there.has(name))`,
      "one of those that are named is enough"
    ],
    "ofGroup": [
      `feed.routes.get(topic)?.entries.some(isWhole) === true`,
      `feed.routes.has(topic)`,
      "who subscribes as one of a group counts as one who gets all"
    ],
    "comesHere": [
      `    topic.listeners.add(listener)\n    this.roomMade()\n`,
      `    topic.listeners.add(listener)\n`,
      "who waits for a subscription of its own node does not see it"
    ],
    "granted": [
      `return all.some(({ claims }) => meant(claims).length > 0) ? "NotGranted" : "NotSubscribed"`,
      `return "NotSubscribed"`,
      "who is not let is said not to subscribe"
    ],
    "contractHere": [
      `return this.#otherContract(topic)`,
      `return`,
      "a subscription of the node's own by another Schema is told to nobody"
    ]
  }
)

const publishing = of("publishing", inTopics("publishing"), suites("Topics.sim", "Bounds.sim", "Wire.sim"), {
  "flushRead": [
    `({ feed }) => feed.read, {`,
    `() => Effect.void, {`,
    "what was written is taken for what was read"
  ],
  "flushLeft": [
    `return left > 0 ? Effect.succeed(left) : Effect.map(`,
    `return left > 1e9 ? Effect.succeed(left) : Effect.map(`,
    "a stream ends while members of groups work at what came by it"
  ],
  "topics": [
    `this.#topics.size >= limits.topics && `,
    `this.#topics.size > limits.topics && `,
    "there is one topic more than there may be"
  ],
  "held": [`if (topic.isEmpty && (oldest`, `if ((oldest`, "a topic is forgotten that retains something"],
  "waited": [
    `if (!route.hasRoom(bytes, all)) full.push(feed.peer.name)`,
    `void route`,
    "nobody waits for those that are to lose nothing"
  ],
  "contract": [
    `meant.filter((entry) => isTaken(entry, topic.contract))`,
    `meant`,
    "values go to who knows another contract"
  ],
  "may": [
    `this.#route(feed, topic, may === true ? entries : [])`,
    `this.#route(feed, topic, entries)`,
    "who may not subscribe does"
  ],
  "denied": [`if (may !== true) { for`, `if (may === null) { for`, "who may not subscribe is not told so"],
  "expires": [
    `for (const key of topic.retained?.expire(this.#now()) ?? []) this.#removed(topic, key, at)`,
    `for (const key of topic.retained?.expire(this.#now()) ?? []) void [key, at]`,
    "nobody is told that the time of a value is up",
    { tests: ["Program.sim"] }
  ],
  "expiresNext": [
    `Effect.raceFirst(Effect.sleep(left), this.#expiring.await)`,
    `Effect.sleep(left)`,
    "a value whose time is up before that of another outlives it",
    { tests: ["Program.sim"] }
  ],
  "sleeps": [
    `return isHeld || !this.isAwake ? Effect.void : this.#sleep`,
    `return Effect.void`,
    "peers are asked for good what they subscribe to, after one publication",
    { tests: ["Program.sim"] }
  ],
  "sleepsHeld": [
    `if (!topic.isEmpty) isHeld = true`,
    `void topic.isEmpty`,
    "what is retained is told to nobody a minute after it was published",
    { tests: ["Program.sim"] }
  ],
  "sleepsUsed": [
    `this.#uses > 0 || now`,
    `now`,
    "an open publisher that says nothing for a minute has to ask anew who subscribes",
    { tests: ["Program.sim"] }
  ]
})

const grouping = of("grouping", inTopics("grouping"), suites("Grouping"), {
  "waited": [`      if (!isWaitedFor(name)) continue\n`, ``, "all groups are waited for"],
  "count": [`grouped.group.hasRoom(own, all)`, `grouped.group.hasRoom(0, 0)`, "nobody waits for the memory of groups"],
  "first": [
    `if (isWaitedFor(grouped.name)) this.#deliver(grouped, handed)\n      else others`,
    `if (!isWaitedFor(grouped.name)) this.#deliver(grouped, handed)\n      else others`,
    "what there was room for with a group that is waited for goes to others"
  ],
  "counted": [`    this.#parts.skipped()\n`, ``, "what groups give up is in no count"],
  "capacity": [
    `(capacities.get(group) ?? 0) + size`,
    `size`,
    "a node with two subscriptions of a group is handed as much as one"
  ],
  "alone": [
    `    this.#alone.add(grouped)\n`,
    ``,
    "a group without members does not give way to another"
  ],
  "back": [
    `    this.#alone.delete(grouped)\n    this.#accounts.get(grouped.owner)?.alone.delete(grouped)\n    grouped.members`,
    `    grouped.members`,
    "a group whose members are back gives way to another"
  ],
  "owner": [
    `if (!ids.includes(grouped.owner)) this.#answer(grouped, this.#leastCharged(ids))`,
    `void ids`,
    "one that has left answers for a group that others are in"
  ],
  "answers": [
    `if (memory.has(next, grouped.bytes + bytes + half, all) && this.#answer(grouped, next)) return true`,
    `void next`,
    "a group lacks room though another of its members has some"
  ],
  "half": [
    `grouped.isAdopted ? bytes + half : bytes`,
    `bytes`,
    "what others do not acknowledge takes all that a member's own groups may hold"
  ],
  "share": [`account.groups >= Math.ceil(topicGroups / 4)`, `account.groups >= topicGroups`, "one peer has all groups"],
  "total": [
    `if (this.#count >= topicGroups && !this`,
    `if (this.#count >= 1e9 && !this`,
    "there are any number of groups"
  ],
  "ofTopic": [`own.length >= mostOfOne && `, `own.length >= mostGroups && `, "one peer has all groups of a topic"],
  "mostGroups": [
    `return topic.groups.size < mostGroups || `,
    `return topic.groups.size < 1e9 || `,
    "a topic has any number of groups"
  ],
  "given": [
    `    this.#charge(owner, -1)\n    this.#count--`,
    `    this.#count--`,
    "a group that has ended is charged for"
  ],
  "uncounted": [
    `    this.#charge(owner, -1)\n    this.#count--\n`,
    `    this.#charge(owner, -1)\n`,
    "groups that have ended count"
  ],
  "lingering": [
    `group.aloneSince !== undefined && now - group.aloneSince >= lingering`,
    `group.aloneSince !== undefined && now - group.aloneSince >= 1e9`,
    "a group without members is there for good"
  ],
  "looks": [`else group.look()`, `else void group`, "nobody looks for slow members"],
  "again": [
    `    topic.lacksGroups = undefined\n    this.enter(topic)\n`,
    ``,
    "a group that had no room never begins"
  ]
})

const feed = of("feed", inTopics("feed"), suites("Topics.sim", "Bounds.sim", "Wire.sim"), {
  "flushRoutes": [
    `if (!route.isSettled) return false`,
    `void route.isSettled`,
    "nobody waits for what one that is to lose nothing has not taken"
  ],
  "told": [
    `if (isTold && wasTold) this.#tell(`,
    `if (isTold && !wasTold) this.#tell(`,
    "nobody is told that a topic has ended"
  ],
  "begin": [
    `    for (const route of this.routes.values()) route.begin()\n`,
    ``,
    "topics are not told anew on the next stream"
  ],
  "lost": [
    `for (const { answer } of handed) answer(Effect.fail(new Lost()))`,
    `void handed`,
    "what a lost member had waits for it"
  ],
  "taken": [`this.#byIndex.get(record.index)?.taken(record.seq)`, `void record.seq`, "what was taken makes no room"],
  "moves": [
    `if (this.#stream?.isLeftBehind === true) this.#move?.()`,
    `void this.#move`,
    "a peer is fed on a session that has given way to another",
    { tests: ["Feed"] }
  ],
  "movesAtOnce": [
    `      yield* stream.end\n      yield* Effect.timeoutOption(reading, toMove)`,
    `      yield* stream.end`,
    "what is on its way on a stream that gives way comes after what is on the next",
    { tests: ["Feed"] }
  ],
  "movedOn": [`      if (moved) return\n`, ``, "a stream that gives way is followed by the next only after a pause", {
    tests: ["Feed"]
  }],
  "denies": [
    `if (this.#denials.has(key) || this.#denials.size >= mostDenials) return`,
    `if (this.#denials.size >= mostDenials) return`,
    "a peer is told as often as it asks that it gets nothing",
    { tests: ["Feed"] }
  ],
  "mostDenials": [
    `if (this.#denials.has(key) || this.#denials.size >= mostDenials) return`,
    `if (this.#denials.has(key)) return`,
    "what a peer is told of what it does not get is without end",
    { tests: ["Feed"] }
  ],
  "deniesAgain": [
    `for (const [about, record] of this.#denials) this.#control.set(about, record)`,
    `void this.#denials`,
    "a peer is not told again on the next stream what it does not get",
    { tests: ["Feed"] }
  ],
  "deniesOther": [
    `for (const key of this.#denials.keys()) this.#control.delete(key)`,
    `void this.#control`,
    "a peer is told that it does not get what it no longer asks for",
    { tests: ["Feed"] }
  ]
})

const records = of("records", inTopics("records"), suites("Records"), {
  "time": [` && at <= Number.MAX_SAFE_INTEGER`, ``, "a time is read as another"],
  "delivered": [
    `  if (record.length - end > maxPayload) return badLength
  return {
    kind: "deliver"`,
    `  return {
    kind: "deliver"`,
    "a delivery is longer than a value may be"
  ]
})

export const topicsList: ReadonlyArray<Mutation> = [
  ...records,
  ...groups,
  ...outlet,
  ...retained,
  ...memory,
  ...route,
  ...source,
  ...subscription,
  ...rows,
  ...hearing,
  ...waitedFor,
  ...publishing,
  ...grouping,
  ...feed
]
