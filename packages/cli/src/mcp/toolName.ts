/**
 * What the tool for a function of a peer is called: `bob__add`, of the characters that assistants take, at most 64, and never as that of another function.
 */
import { createHash } from "node:crypto"

/** Names that are written as they are: with one `__` in the whole, which is the one between them. */
const plain = /^(?!_)(?!.*__)[A-Za-z0-9_-]+(?<!_)$/
const longest = 64

const partOf = (text: string, length: number): string =>
  text.replaceAll(/[^A-Za-z0-9-]+/g, "_").replace(/^_+/, "").slice(0, length).replace(/_+$/, "") || "x"

/**
 * The name of the tool. Where the names of the two do not do as they are, the name has a second `__` and a part of a hash behind it, which is the same whenever
 * and wherever it is made.
 */
export const toolName = (peer: string, name: string): string => {
  const both = `${peer}__${name}`
  if (plain.test(peer) && plain.test(name) && both.length <= longest) return both
  const hash = createHash("sha256").update(JSON.stringify([peer, name])).digest("hex").slice(0, 16)
  return `${partOf(peer, 20)}__${partOf(name, 24)}__${hash}`
}
