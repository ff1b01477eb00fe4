/**
 * The section "files" of `docs/vectors.json`: what goes over when files are sent, and how it is read. Built from the text of protocol section 17, and shares
 * no code with the library.
 */
import type { Rule } from "./rules.ts"

type Part = { readonly hex: string; readonly times: number }

export interface Entry {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  /** What comes, in hex: texts that are repeated so many times and joined. */
  readonly bytes: ReadonlyArray<Part>
  /** What it says, one after another. */
  readonly says: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** Whether it is wrong, behind what it says; otherwise all of it is read. */
  readonly wrong: boolean
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly offers: ReadonlyArray<Entry>
  readonly said: ReadonlyArray<Entry>
  readonly lists: ReadonlyArray<Entry>
  readonly wants: ReadonlyArray<Entry>
  readonly answers: ReadonlyArray<Entry>
}

const u8 = (value: number): string => value.toString(16).padStart(2, "0")
const u32 = (value: number): string => value.toString(16).padStart(8, "0")

const varint = (value: number): string => {
  let rest = BigInt(value)
  let hex = ""
  for (; rest >= 128n; rest /= 128n) hex += u8(Number(rest % 128n) + 128)
  return hex + u8(Number(rest))
}

const utf8 = (text: string): string => Array.from(new TextEncoder().encode(text), u8).join("")
const text = (of: string): string => varint(utf8(of).length / 2) + utf8(of)

const time = (millis: number): string => {
  const bytes = new DataView(new ArrayBuffer(8))
  bytes.setFloat64(0, millis)
  return Array.from(new Uint8Array(bytes.buffer), u8).join("")
}

const entry = (
  wrong: boolean,
  name: string,
  rule: Rule,
  description: string,
  bytes: string | ReadonlyArray<Part>,
  ...says: Entry["says"]
): Entry => ({
  name: `file-${name}`,
  description,
  rule,
  bytes: typeof bytes === "string" ? [{ hex: bytes, times: 1 }] : bytes,
  says,
  wrong
})

const right = (
  ...[name, rule, description, bytes, ...says]: [string, Rule, string, string | ReadonlyArray<Part>, ...Entry["says"]]
) => entry(false, name, rule, description, bytes, ...says)
const wrong = (
  ...[name, rule, description, bytes, ...says]: [string, Rule, string, string | ReadonlyArray<Part>, ...Entry["says"]]
) => entry(true, name, rule, description, bytes, ...says)

const id = "00112233445566778899aabbccddeeff"
const digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
const largest = Number.MAX_SAFE_INTEGER

// --- offers ----------------------------------------------------------------------------------------------------------------------

const offer = (names: ReadonlyArray<string>, note = ""): string =>
  u8(1) + id + digest + varint(300) + varint(2) + varint(1) + varint(5_000_000_000) + varint(names.length) +
  names.map(text).join("") + text(note)
const offered = (names: ReadonlyArray<string>, note = "") => ({
  id,
  digest,
  files: 300,
  folders: 2,
  links: 1,
  bytes: 5_000_000_000,
  names,
  note
})
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`)
const padded = (length: number): ReadonlyArray<Part> => [
  { hex: offer(["a"]), times: 1 },
  { hex: "ff", times: length - offer(["a"]).length / 2 }
]

const offers: ReadonlyArray<Entry> = [
  right(
    "offer",
    ["file-offer", "file-number", "file-text"],
    "two names and a note",
    offer(["photos", "日本"], "for you"),
    offered(["photos", "日本"], "for you")
  ),
  right("offer-64", "file-offer", "64 names", offer(numbered(64)), offered(numbered(64))),
  right("offer-more", "file-offer", "bytes of a later version behind it", `${offer(["a"])}ff00`, offered(["a"])),
  right("offer-65536", "file-offer", "65,536 bytes", padded(65_536), offered(["a"])),
  wrong("offer-65537", "file-offer", "a byte more", padded(65_537)),
  wrong("offer-65-names", "file-offer", "65 names", offer(numbered(65))),
  wrong("offer-version", "file-offer", "a version that is not known", u8(2) + offer(["a"]).slice(2)),
  wrong("offer-short", "file-offer", "one that ends in its note", offer(["a"], "note").slice(0, -2)),
  wrong("offer-utf8", "file-text", "a name that is no UTF-8", offer(["a"]).replace(/0161(00)$/, "01ff$1"))
]

// --- what becomes of them --------------------------------------------------------------------------------------------------------

const record = (type: number, body: string): string => u8(type) + varint(body.length / 2) + body
const counts = { files: 7, bytes: 300, hadFiles: 2, hadBytes: 128, failed: 1, changed: 0 }
const counted = Object.values(counts).map(varint).join("")

const said: ReadonlyArray<Entry> = [
  right(
    "said-all",
    "file-said",
    "one of each",
    [
      {
        hex: record(1, "") + record(2, "") + record(4, counted) +
          record(5, text("a/b") + text("DiskFull") + text("no room")),
        times: 1
      },
      { hex: record(6, counted), times: 1 }
    ],
    { _tag: "Waiting" },
    { _tag: "Accepted" },
    { _tag: "Progress", counts },
    {
      _tag: "Problem",
      path: "a/b",
      kind: "DiskFull",
      detail: "no room"
    },
    { _tag: "Done", counts }
  ),
  right("said-declined", "file-said", "a reason", record(3, text("no")), { _tag: "Declined", reason: "no" }),
  right(
    "said-unknown",
    "file-said",
    "a type that is not known, which is read past",
    record(99, "00ff") + record(2, ""),
    { _tag: "Other" },
    { _tag: "Accepted" }
  ),
  right("said-16384", "file-said", "16,384 bytes of a type that is not known", [
    { hex: u8(99) + varint(16_384), times: 1 },
    { hex: "00", times: 16_384 }
  ], { _tag: "Other" }),
  wrong("said-16385", "file-said", "a byte more", [{ hex: u8(99) + varint(16_385), times: 1 }, {
    hex: "00",
    times: 16_385
  }]),
  wrong("said-body-short", "file-said", "counts of which one is missing", record(4, counted.slice(0, -2)))
]

// --- lists -----------------------------------------------------------------------------------------------------------------------

const folder = (name: string, mode: number, mtime: number) => u8(1) + text(name) + varint(mode) + time(mtime)
const file = (name: string, size: number, mode: number, mtime: number) =>
  u8(3) + text(name) + varint(size) + varint(mode) + time(mtime)
const link = (name: string, target: string) => u8(4) + text(name) + text(target)
const end = u8(0)

const lists: ReadonlyArray<Entry> = [
  right(
    "list",
    ["file-list", "file-text"],
    "a folder with a file and a link in it, a file beside it, and the end",
    folder("d", 0o755, 1_700_000_000_123) + file("a", 300, 0o644, -5) + link("l", "a") + u8(2) +
      file("日本", largest, 0, 0.5) + end,
    { _tag: "Folder", name: "d", mode: 0o755, mtime: 1_700_000_000_123 },
    { _tag: "File", name: "a", size: 300, mode: 0o644, mtime: -5 },
    { _tag: "Link", name: "l", target: "a" },
    { _tag: "Leave" },
    { _tag: "File", name: "日本", size: largest, mode: 0, mtime: 0.5 },
    { _tag: "End" }
  ),
  wrong("list-unknown", "file-list", "a type that there is not", u8(5)),
  wrong("list-mode", "file-list", "a mode of 65,536", file("a", 1, 65_536, 1)),
  wrong("list-time-nan", "file-text", "a time that is no number", file("a", 1, 0, NaN)),
  wrong("list-time-infinite", "file-text", "a time without end", file("a", 1, 0, Infinity)),
  wrong("list-time-far", "file-text", "a time that no date has", file("a", 1, 0, 8.64e15 + 2)),
  wrong("list-name-1025", "file-list", "a name of 1,025 bytes", file("a".repeat(1_025), 1, 0, 1)),
  wrong("list-target-4097", "file-list", "a target of 4,097 bytes", link("l", "a".repeat(4_097)))
]

// --- what is wanted --------------------------------------------------------------------------------------------------------------

const wants: ReadonlyArray<Entry> = [
  right(
    "want",
    "file-want",
    "a file from its start, and one from an offset",
    varint(0) + varint(0) + u8(0) + varint(128) + varint(300) + u8(0),
    {
      file: 0,
      offset: 0
    },
    { file: 128, offset: 300 }
  ),
  right("want-unless", "file-want", "a file, unless it has this hash", varint(1) + varint(0) + u8(1) + digest, {
    file: 1,
    offset: 0,
    unless: digest
  }),
  right("want-largest", "file-number", "the largest number", varint(1) + varint(largest) + u8(0), {
    file: 1,
    offset: largest
  }),
  wrong("want-2", "file-want", "a kind that there is not", varint(1) + varint(0) + u8(2)),
  wrong("number-larger", "file-number", "a number that is one too large", varint(1) + "8080808080808010" + u8(0)),
  wrong("number-long", "file-number", "a number of nine bytes", "808080808080808001"),
  wrong("number-form", "file-number", "a number that is longer than it has to be", `8000${varint(0)}${u8(0)}`)
]

// --- answers ---------------------------------------------------------------------------------------------------------------------

const begin = u8(1)
const part = (of: string) => u32(utf8(of).length / 2) + utf8(of)
const whole = u32(0) + digest
const broken = "ffffffff"
const data = (of: string) => ({ _tag: "Data", bytes: utf8(of) })
const failed = { _tag: "Failed", detail: "EACCES" }

const answers: ReadonlyArray<Entry> = [
  right(
    "answer",
    "file-answer",
    "a file in two parts, and an empty one",
    begin + part("hello, ") + part("world") + whole + begin + whole,
    { _tag: "Begin" },
    data("hello, "),
    data("world"),
    { _tag: "End", digest },
    { _tag: "Begin" },
    { _tag: "End", digest }
  ),
  right("answer-none", "file-answer", "three without bytes", u8(2) + u8(3) + u8(4) + text("EACCES"), { _tag: "Same" }, {
    _tag: "Changed"
  }, failed),
  right(
    "answer-broken",
    "file-answer",
    "two that have begun, and of which there is no more",
    begin + part("a") + broken + u8(3) + begin + broken + u8(4) + text("EACCES"),
    { _tag: "Begin" },
    data("a"),
    { _tag: "Changed" },
    { _tag: "Begin" },
    failed
  ),
  wrong("answer-unknown", "file-answer", "a kind that there is not", u8(5)),
  wrong("answer-part-long", "file-answer", "a part of 8,388,609 bytes", begin + u32(8_388_609), { _tag: "Begin" }),
  wrong("answer-broken-same", "file-answer", "one that has begun, and is there already", begin + broken + u8(2), {
    _tag: "Begin"
  }),
  wrong("answer-broken-begin", "file-answer", "one that has begun, and begins", begin + broken + begin, {
    _tag: "Begin"
  })
]

export const generate = (): Section => ({
  description: [
    "What is sent to each of the functions of files and answered by them, and what it says. It may come in pieces of any length."
  ],
  fields: {
    offers: "what pnet.files.offer is sent",
    said: "what it answers",
    lists: "what pnet.files.list answers",
    wants: "what pnet.files.read is sent behind the id and the digest",
    answers: "what it answers; the bytes of parts that follow each other are one where they come together",
    bytes: "all of it: hex that is repeated so many times, and joined",
    says: "what it says, one after another; id, digest, unless and bytes of files are hex",
    wrong: "whether what follows that is wrong; otherwise nothing is left"
  },
  offers,
  said,
  lists,
  wants,
  answers
})
