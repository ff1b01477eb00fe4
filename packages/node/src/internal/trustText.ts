/**
 * The text of files of known peers and of allow lists: a name and its key on each line, written by people and by nodes. In an allow
 * list what the peer may do may stand behind the key: `roles=worker serves=resize.*,"a name" calls= subscribes=build.*`.
 */
import type * as AllowListTrust from "@pnet/core/AllowListTrust"
import { NodeName } from "@pnet/core/Packet"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Rights from "@pnet/core/Rights"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Why from "@pnet/core/Why"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isUtf8 } from "node:buffer"

/** What one line says. */
type Line =
  | { readonly _tag: "Nothing" }
  | { readonly _tag: "Pin"; readonly pin: TofuTrust.Pin; readonly rights: Rights.Input | undefined }
  | { readonly _tag: "Revoked"; readonly publicKey: PublicKey.PublicKey }

const isNodeName = Schema.is(NodeName)

const quoted = /"(?:[^"\\]|\\.)*"/u.source
// A name in quotes or without blanks, a key, and what may stand behind it.
const pinLine = new RegExp(
  `^(?:(${quoted})|([^\\s"#]\\S*))\\s+(\\S+)((?:\\s+[a-z]+=(?:${quoted}|[^\\s"#])*)*)(?:\\s+#(.*))?$`,
  "u"
)
const listed = new RegExp(`([a-z]+)=((?:${quoted}|[^\\s"#])*)`, "gu")
const items = new RegExp(`${quoted}|[^,"]+`, "gu")
const listOfItems = new RegExp(`^(?:(?:${quoted}|[^,"]+)(?:,(?:${quoted}|[^,"]+))*)?$`, "u")
const revokedLine = /^@revoked\s+(\S+)(?:\s+#.*)?$/u
const fromComment = /^ from (\S+)$/u

const shown = (text: string) => Why.quote(text.length > 80 ? `${text.slice(0, 80)}…` : text)

const unquoted = (text: string): string | undefined =>
  Result.getOrUndefined(Result.try(() => JSON.parse(text) as string))

const isPattern = Schema.is(Rights.Pattern)
const isTopicPattern = Schema.is(Rights.TopicPattern)

const isRight = (text: string): text is keyof Rights.Rights => Object.hasOwn(Rights.Rights.fields, text)

/** What stands behind a key: each right once, its names behind one another. */
const readRights = (text: string): Result.Result<Rights.Input | undefined, string> => {
  const rights: { -readonly [Right in keyof Rights.Rights]?: ReadonlyArray<string> } = {}
  for (const [, right, list] of text.matchAll(listed)) {
    if (!isRight(right!)) {
      return Result.fail(`${shown(right!)} is no right; those are roles, serves, calls, publishes and subscribes`)
    }
    if (rights[right] !== undefined) return Result.fail(`${right} is there twice`)
    if (!listOfItems.test(list!)) return Result.fail(`${shown(list!)} is no list of names with commas between them`)
    const names = [...list!.matchAll(items)].map(([item]) => item.startsWith("\"") ? unquoted(item) : item)
    const isTopics = right === "publishes" || right === "subscribes"
    const wrong = names.findIndex((name) => isTopics ? !isTopicPattern(name) : !isPattern(name))
    if (wrong !== -1) {
      const form = isTopics ? "of which one may end in *, and without >" : "of which one may end in *"
      return Result.fail(`${shown(names[wrong] ?? list!)}, of ${right}, is no name of 1 to 255 bytes, ${form}`)
    }
    rights[right] = names as ReadonlyArray<string>
  }
  return Result.succeed(Object.keys(rights).length === 0 ? undefined : rights)
}

const readLine = (text: string): Result.Result<Line, string> => {
  const line = text.trim()
  if (line === "" || line.startsWith("#")) return Result.succeed({ _tag: "Nothing" })
  const keyOf = (key: string): Result.Result<PublicKey.PublicKey, string> => {
    const publicKey = PublicKey.fromText(key)
    return publicKey === undefined ? Result.fail(`${shown(key)} is no public key`) : Result.succeed(publicKey)
  }
  if (line.startsWith("@")) {
    const [, key] = revokedLine.exec(line) ?? []
    return key === undefined
      ? Result.fail(`${shown(line)} is neither an entry nor "@revoked" and a public key`)
      : Result.map(keyOf(key), (publicKey) => ({ _tag: "Revoked", publicKey }))
  }
  const found = pinLine.exec(line)
  if (found === null) return Result.fail(`${shown(line)} is no entry`)
  const [, quoted, plain, key, behind, comment] = found
  const name = quoted === undefined ? plain : unquoted(quoted)
  if (name === undefined || !isNodeName(name)) {
    return Result.fail(`${shown(quoted ?? plain ?? "")} is no name of a node`)
  }
  const from = comment === undefined ? undefined : fromComment.exec(comment)?.[1]
  return Result.flatMap(
    keyOf(key!),
    (publicKey) =>
      Result.map(readRights(behind!), (rights) => ({ _tag: "Pin", pin: { name, publicKey, from }, rights }))
  )
}

export type Kind = "known peers" | "allow list"

export interface Parsed extends TofuTrust.KnownPeers {
  /** What the names may do of which that is said. */
  readonly rights: ReadonlyMap<NodeName, Rights.Input>
  /** Every line, and the name that it is about, if it is about one. */
  readonly lines: ReadonlyArray<{ readonly text: string; readonly name: NodeName | undefined }>
}

/** Lines count from 1. */
export interface Malformed {
  readonly line: number
  readonly problem: string
}

/** What the lines of a file say, or the first that cannot be understood. */
export const parse = (bytes: Buffer, kind: Kind): Result.Result<Parsed, Malformed> => {
  const lines: Array<{ readonly text: string; readonly name: NodeName | undefined }> = []
  const pins = new Map<NodeName, TofuTrust.Pin>()
  const rights = new Map<NodeName, Rights.Input>()
  const at = new Map<NodeName, number>()
  const revoked: Array<PublicKey.PublicKey> = []
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0x0a, start)
    const slice = bytes.subarray(start, end === -1 ? bytes.length : end)
    start = end === -1 ? bytes.length : end + 1
    const line = lines.length + 1
    const malformed = (problem: string) => Result.fail({ line, problem })
    if (!isUtf8(slice)) return malformed("it is not UTF-8")
    // Editors on Windows end lines with CR, and may begin the file with a mark.
    const text = slice.toString("utf8").replace(/\r$/, "").replace(line === 1 ? /^\uFEFF/ : /^$/, "")
    const read = readLine(text)
    if (Result.isFailure(read)) return malformed(read.failure)
    const said = read.success
    if (said._tag === "Revoked") {
      if (kind === "allow list") {
        return malformed("an allow list revokes nothing: take out the line that allows the key")
      }
      revoked.push(said.publicKey)
    }
    if (said._tag === "Pin") {
      const { name } = said.pin
      if (pins.has(name)) return malformed(`${shown(name)} is on line ${at.get(name)} already`)
      if (said.rights !== undefined) {
        if (kind === "known peers") {
          return malformed("who is known has no rights by that: list the peer in an allow list, with what it may do")
        }
        rights.set(name, said.rights)
      }
      pins.set(name, said.pin)
      at.set(name, line)
    }
    lines.push({ text, name: said._tag === "Pin" ? said.pin.name : undefined })
  }
  return Result.succeed({ pins: [...pins.values()], revoked, rights, lines })
}

/** What a new file of known peers begins with. */
export const header = [
  "# The peers that this node knows: a name and its public key on each line, pinned at the first contact.",
  "# It may be edited while nodes run. Behind a key, \"# from\" and an address says that the peer connected from there, and that",
  "# nobody has vouched for it. To refuse a key under any name, write: @revoked and the key."
]

const nameText = (name: string): string =>
  /^[^\s"#@]\S*$/u.test(name) && !name.includes("\"") ? name : JSON.stringify(name)

const pinText = ({ from, name, publicKey }: TofuTrust.Pin): string =>
  `${nameText(name)} ${publicKey}${
    from === undefined ? "" : ` # from ${from === "" ? "?" : from.replace(/\s/gu, "?")}`
  }`

/** The lines with an edit made to them; comments and the order stay. */
export const edited = ({ lines, pins, revoked }: Parsed, edit: TofuTrust.KnownPeersEdit): string => {
  const before = new Map(pins.map((pin) => [pin.name, pin]))
  const after = new Map(TofuTrust.editPins(pins, edit).map((pin) => [pin.name, pin]))
  const out: Array<string> = []
  for (const { name, text } of lines) {
    const pin = name === undefined ? undefined : after.get(name)
    // What has not changed stays as it was written.
    if (name === undefined || pin !== undefined && pin === before.get(name)) out.push(text)
    else if (pin !== undefined) out.push(pinText(pin))
    if (name !== undefined) after.delete(name)
  }
  for (const pin of after.values()) out.push(pinText(pin))
  for (const key of edit.revoked) if (!revoked.includes(key)) out.push(`@revoked ${key}`)
  return `${out.join("\n")}\n`
}

const itemText = (item: string): string => /[\s",#\\]/u.test(item) ? JSON.stringify(item) : item

const entryText = ([name, key, rights = {}]: AllowListTrust.Entry): string =>
  [
    nameText(name),
    key,
    ...Object.entries(rights).flatMap(([right, list]) =>
      list === undefined ? [] : [`${right}=${list.map(itemText).join(",")}`]
    )
  ].join(" ")

/** What a new allow list begins with. */
export const allowHeader = [
  "# The peers that are trusted, and no others: a name and its public key on each line, and behind it what it may do, such as",
  "# roles=worker serves=resize.* calls= subscribes=build.* where that is not to call everything by name."
]

/** The lines of an allow list with entries in the place of those of their names, and without some names; comments and the order stay. */
export const allowEdited = (
  { lines }: Pick<Parsed, "lines">,
  allowed: ReadonlyArray<AllowListTrust.Entry>,
  removed: ReadonlyArray<string>
): string => {
  const entries = new Map<string, AllowListTrust.Entry>(allowed.map((entry) => [entry[0], entry]))
  const out: Array<string> = []
  for (const { name, text } of lines) {
    const entry = name === undefined ? undefined : entries.get(name)
    if (entry !== undefined) out.push(entryText(entry))
    else if (name === undefined || !removed.includes(name)) out.push(text)
    if (name !== undefined) entries.delete(name)
  }
  for (const entry of entries.values()) out.push(entryText(entry))
  return `${out.join("\n")}\n`
}
