/** Files: names, what goes over, and how they land. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const names = of("file-names", "packages/files/src/internal/names.ts", suites("files/names"), {
  "dots": [
    `if (name === "" || name === "." || name === "..") return "NoName"`,
    `if (name === "") return "NoName"`,
    "a sender's .. is a name"
  ],
  "separator": [
    `const never = /[\\0/\\p{Surrogate}]/u`,
    `const never = /[\\0\\p{Surrogate}]/u`,
    "a name is a path"
  ],
  "own-folder": [
    `if (own === partialFolder || `,
    `if (`,
    "a sender writes into what is kept of other transfers"
  ],
  "devices": [
    `return devices.test(name.split(".", 1)[0]!.trimEnd()) ? "Reserved" : undefined`,
    `return undefined`,
    "a device of Windows is a file"
  ],
  "link-depth": [
    `if (down > 0 || ++up > depth) return false`,
    `if (down > 0) return false`,
    "a link leads out of the folder"
  ],
  "link-back": [
    `if (down > 0 || ++up > depth) return false`,
    `if (++up > depth) return false`,
    "a link leads out by way of another one"
  ],
  "folder-folded": [
    ` && folded(name) === name && `,
    ` && `,
    "who calls himself Bob has the folder of bob, where the disk folds case"
  ],
  "folder-hashed": [` && !name.startsWith("_")`, ``, "who calls himself as another's folder is called has that"],
  "folder-hash": [
    `.slice(0, 32)}\``,
    `.slice(0, 8)}\``,
    "a second name with the hash of another's folder is found in hours"
  ]
})

const landing = of(
  "file-landing",
  "packages/files/src/internal/landing.ts",
  suites("files/hostile", "files/faults", "files/engine"),
  {
    "verify": [
      `if (!sameBytes(digest, expected)) return Effect.succeed(corrupt)`,
      ``,
      "what is broken on the disk has its name"
    ],
    "sync": [
      `if (durable) yield* file.sync
      const seconds`,
      `const seconds`,
      "a file has its name, and is gone with the power"
    ],
    "umask": [
      `return mode & 0o777 & ~this.options.umask`,
      `return mode & 0o777`,
      "what arrives is everybody's to write"
    ],
    "folder-link": [
      `type !== "Directory"
          ? Effect.fail(`,
      `type === "File"
          ? Effect.fail(`,
      "files are written through a link that is in the place of a folder"
    ],
    "inside": [
      `if (!leadsInside(target, folder.depth, rules)) {`,
      `if (false) {`,
      "a link leads out of the folder, for whoever reads it later"
    ],
    "own-small": [
      `if (ambiguous || this.#parts`,
      `if (this.#parts`,
      "a small file replaces another of the same transfer, where the disk folds case"
    ],
    "partial-link": [
      `if (type === "Directory") return Effect.void
`,
      `return Effect.void
`,
      "what is not whole is where a link leads"
    ],
    "alone": [
      `return size <= entry.size && alone ? size : 0`,
      `return entry.size`,
      "a file goes on from where it is not"
    ],
    "named": [
      `size <= entry.size && alone ? size`,
      `size <= entry.size ? size`,
      "what somebody makes of a file that has arrived is written over"
    ]
  }
)

const journal = of("file-journal", "packages/files/src/internal/journal.ts", suites("files/engine"), {
  "anew": [
    `isWhole ? "a" : "w"`,
    `"a"`,
    "what lands behind the broken end of a journal is forgotten"
  ],
  "again": [
    `if (!isWhole) { for`,
    `if (false) { for`,
    "what had landed is forgotten where the end of a journal is broken"
  ]
})

const serving = of("file-serving", "packages/files/src/internal/serving.ts", suites("files/hostile"), {
  "wants": [
    `this.#queue.length < together`,
    `true`,
    "whoever asks for very many files at once has all of them read at once"
  ],
  "bytes": [
    `some.length > 0 && bytes + size > 4 * small`,
    `false`,
    "whoever asks for small files at once has many megabytes of them read at once"
  ],
  "ahead": [
    `const lotsAhead = 1`,
    `const lotsAhead = 16`,
    "whoever asks for files and takes none has all of them read"
  ]
})

const reading = of(
  "file-reading",
  "packages/files/src/internal/reading.ts",
  suites("files/faults", "files/many", "files/hostile"),
  {
    "unchanged": [
      `info.type === "File" && sizeOf(info) === entry.size && mtimeOf(info) === entry.mtime`,
      `info.type === "File"`,
      "a file that has changed is sent as what it was"
    ],
    "shared": [
      `return this.#options.shared ? this.#shared(number, located) : Effect`,
      `return true ? this.#shared(number, located) : Effect`,
      "two who pull a file at once change what the other has of it"
    ],
    "folders": [
      `if (follow) return Effect.void`,
      `if (true) return Effect.void`,
      "a folder that has become a link leads out of what is sent"
    ],
    "known": [
      `this.#known = known
`,
      `this.#known = undefined
`,
      "a few bytes have the sender read all of a large file, again and again"
    ]
  }
)

const pulling = of(
  "file-pulling",
  "packages/files/src/internal/pulling.ts",
  suites("files/hostile", "files/faults", "files/engine", "files/files.sim"),
  {
    "files": [`++said.files > head.files || `, `++said.files < 0 || `, "a list has more files than it offered"],
    "depth": [`if (folder.depth >= depth) {`, `if (false) {`, "folders are in one another without end"],
    "size": [`if (entry.size > fileSize) {`, `if (false) {`, "a file is larger than what is taken"],
    "total": [
      `if (++said.files > head.files || said.bytes > head.bytes) {`,
      `if (++said.files > head.files) {`,
      "more arrives than somebody has said yes to"
    ],
    "more": [
      `if (arriving.came > arriving.due) return`,
      `if (false) return`,
      "a sender writes more than a file has"
    ],
    "silence": [
      `if (looks > looksAtSilence) return yield* Effect.fail(error)`,
      ``,
      "a sender that is silent has its place for ever"
    ],
    "restart": [
      `if (arriving.due - arriving.came <= passedOver) return`,
      `if (true) return`,
      "all of a file is fetched for which there is no room"
    ]
  }
)

const writing = of("file-writing", "packages/files/src/internal/writing.ts", suites("files/faults"), {
  "sync-said": [
    `this.#syncing === undefined ? Effect.void : Fiber.join(this.#syncing)`,
    `Effect.void`,
    "a system that says once that it could not write is not heard"
  ]
})

const large = of("file-large", "packages/files/src/internal/largeThread.ts", suites("files/large"), {
  "which": [
    `if (info.dev === dev && info.ino === ino) return file`,
    `if (true) return file`,
    "a thread reads or writes another file than the one that was looked at"
  ],
  "link": [
    `(follow ? 0 : this.#flag("O_NOFOLLOW"))`,
    `0`,
    "a thread follows what has become a link"
  ],
  "back": [
    `this.#hasher.update(back.subarray(0, this.#fill(back, length, at)))`,
    `this.#hasher.update(part)`,
    "what is hashed is what was to be written, and not what is on the disk"
  ],
  "fault": [
    `if (this.#fault === undefined || question.kind`,
    `if (true || question.kind`,
    "what comes behind a part that could not be written is written"
  ],
  "again": [
    `if (at === this.#hashed) {`,
    `if (true) {`,
    "what is read twice is hashed twice"
  ]
})

const places = of("file-large-places", "packages/files/src/LargeFiles.ts", suites("files/large"), {
  "patience": [
    `const cached = took > patience`,
    `const cached = false`,
    "a slow disk is written past the cache, at half of its speed"
  ]
})

const bounds = of("file-bounds", "packages/files/src/internal/wire.ts", suites("files/wire"), {
  "names": [
    `cursor.varint(mostNames)`,
    `cursor.varint(2 ** 30)`,
    "an offer of a few bytes claims a thousand million names, and has room made for them"
  ],
  "record": [
    `cursor.left + cursor.at - start > this.#longest`,
    `this.#longest < 0`,
    "a record that is never whole is held however long it is"
  ]
})

const errors = of("file-errors", "packages/files/src/TransferError.ts", suites("files/errors"), {
  "reason": [
    `declined the offer: \${escape(this.reason)}`,
    `declined the offer: \${this.reason}`,
    "a peer's reason clears the screen of who reads the error"
  ],
  "path": [
    `\${quote(this.path)} did not arrive`,
    `\${JSON.stringify(this.path)} did not arrive`,
    "a peer's name of a file turns the line that it is in"
  ]
})

const receiving = of("file-receiving", "packages/files/src/internal/receiving.ts", suites("files/files.sim"), {
  "key": [
    `peer.publicKey === from.publicKey`,
    `peer.publicKey !== ""`,
    "what was accepted of one node is taken of another, which has its name by then",
    { tests: ["files/hostile"] }
  ],
  "running": [
    `this.#running.has(key) ? Effect.void : remove`,
    `remove`,
    "what is being received is taken away"
  ],
  "waiting": [` || ofPeer.length >= waitingOfPeer`, ``, "one peer has all offers that may wait for a decision"],
  "waiting-all": [`waiting.length >= limits.waiting || `, ``, "any number of offers wait for a decision"],
  "files": [`if (head.files > files) return`, `if (false) return`, "a transfer has any number of files"],
  "entries": [`if (entries > limits.entries) return`, `if (false) return`, "a transfer has any number of entries"],
  "brought": [
    ` && isUnspent(known)`,
    ``,
    "one yes is for as much as a sender likes, again and again"
  ],
  "brought-bytes": [`brought.bytes <= bytes * 1.1 + 1_048_576 && `, ``, "one yes is for any number of bytes"],
  "brought-entries": [
    ` && brought.entries <= (files + folders + links) * 1.1 + 16`,
    ``,
    "one yes is for any number of files"
  ],
  "declined": [
    `if (verdict === "decline") return`,
    `if (verdict === "decline" && !wasAccepted) return`,
    "who was taken off the list goes on"
  ]
})

const aging = of("file-aging", "packages/files/src/internal/aging.ts", suites("files/files.sim"), {
  "age": [
    `if (now - (yield* writtenAt(options, home)) <= keep) return`,
    ``,
    "what is to go on is taken away"
  ],
  "kept": [
    `if (now - (yield* writtenAt(options, home)) <= keep) return`,
    `return`,
    "what never goes on fills the disk"
  ],
  "link": [
    `if (own.type !== "Directory") return Infinity`,
    ``,
    "a link among what is kept is taken away for what it leads to"
  ]
})

const offering = of("file-offering", "packages/files/src/internal/offering.ts", suites("files/files.sim"), {
  "keys": [
    `return this.#keys.has(publicKey) ? this.#revisions.get(hexOf(digest)) : undefined`,
    `return this.#revisions.get(hexOf(digest))`,
    "whoever knows its id reads what is offered to another"
  ],
  "back": [
    `return error.code !== "unsupported"`,
    `return error.code !== "unsupported" && error.code !== "not_found"`,
    "a receiver that is back is given up before it takes offers again"
  ],
  "reads": [
    `if ((this.#reads.get(publicKey) ?? 0) >= readsOfPeer) {`,
    `if (false) {`,
    "a receiver reads in calls without end"
  ]
})

const batches = of("file-batches", "packages/files/src/internal/batchThread.ts", suites("files/batches"), {
  "verify": [
    `if (!fill(file, part) || !isRight(sha256(part), index)) return false`,
    ``,
    "one of many files has its name, and is another"
  ],
  "taken": [
    `if (went(() => fs.linkSync(part(index), final))) {`,
    `if (went(() => fs.renameSync(part(index), final))) {`,
    "one of many files takes the place of one that has its name"
  ],
  "left": [
    `went(() => fs.unlinkSync(part(index)))`,
    ``,
    "something is left of one of many files that could not land"
  ],
  "exact": [
    `const exact = { bigint: true } as const`,
    `const exact = {} as { readonly bigint: true }`,
    "one of many files has changed where its time is rounded"
  ],
  "each-synced": [
    `if (file !== undefined && !went(() => fs.fsyncSync(file))) drop(index, file)`,
    ``,
    "what a program of the system's says nothing about is taken to be on the disk"
  ],
  "flush-long": [
    `const isLong = took > each`,
    `const isLong = false`,
    "small files wait for all that others write"
  ],
  "flush-quick": [
    `each * count > flushMillis && `,
    ``,
    "a program is run where a sync takes no time"
  ],
  "flush-durable": [
    `if (durable) syncAll(`,
    `syncAll(`,
    "what nobody wants to be synced is"
  ]
})

const folders = of("file-folders", "packages/files/src/internal/folders.ts", suites("files/faults"), {
  "each": [
    `fs.makeDirectory(path)`,
    `fs.makeDirectory(path, { recursive: true })`,
    "a folder in which none can be made is tried for ever"
  ],
  "file": [
    `is ? Effect.void : Effect.fail(error)`,
    `Effect.void`,
    "a file is taken for the folder that is received into"
  ]
})

const lots = of("file-lots", "packages/files/src/internal/pulling.ts", suites("files/batches"), {
  "doubt": [
    `landing.doubt(target)`,
    ``,
    "what is left of one of many files is written to, and is another file by now"
  ],
  "files": [
    `this.#lot.length < together && this.#lotBytes < togetherBytes`,
    `this.#lotBytes < togetherBytes`,
    "any number of files is held while the disk is slow"
  ],
  "bytes": [
    `this.#lot.length < together && this.#lotBytes < togetherBytes`,
    `this.#lot.length < together`,
    "any number of bytes is held while the disk is slow"
  ]
})

const wire = of("file-wire", "packages/files/src/internal/wire.ts", suites("files/wire"), {
  "offer": [`bytes.length > longestOffer ? undefined : offerAt`, `offerAt`, "an offer has no bound"],
  "kept": [
    `return cursor.fault === undefined ? { offer, brought } : undefined`,
    `return { offer, brought }`,
    "what an offer has brought is forgotten with the end of what was kept of it"
  ]
})

export const filesList: ReadonlyArray<Mutation> = [
  ...wire,
  ...names,
  ...landing,
  ...reading,
  ...pulling,
  ...writing,
  ...large,
  ...places,
  ...bounds,
  ...errors,
  ...receiving,
  ...aging,
  ...batches,
  ...folders,
  ...lots,
  ...journal,
  ...serving,
  ...offering
]
