/**
 * The corpus: cases to alter, in a folder for each target.
 *
 * A file of it is one case: `.txt` its bytes as they are, `.hex` in hexadecimal, with comments behind `#`, where `00*500` is a byte
 * 500 times. What a name begins with says what has to become of it: `ok-` is accepted, `bad-` is refused, and `found-` is what broke
 * a rule once.
 */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const corpusFolder = fileURLToPath(new URL("corpus/", import.meta.url))

export interface Item {
  readonly file: string
  readonly bytes: Uint8Array
  readonly expected: "accepted" | "refused" | undefined
}

const ofHex = (text: string): Uint8Array =>
  new Uint8Array(Buffer.concat(
    text.replaceAll(/#.*/g, "").split(/\s+/).map((token) => {
      const [byte = "", times] = token.split("*")
      return times === undefined ? Buffer.from(byte, "hex") : Buffer.alloc(Number(times), byte, "hex")
    })
  ))

const itemOf = (folder: string, file: string): Item => {
  const content = readFileSync(`${corpusFolder}${folder}/${file}`)
  return {
    file: `${folder}/${file}`,
    bytes: file.endsWith(".hex")
      ? ofHex(content.toString("latin1"))
      : new Uint8Array(content),
    expected: file.startsWith("ok-") ? "accepted" : file.startsWith("bad-") ? "refused" : undefined
  }
}

/** What a folder of the corpus holds. */
export const corpus = (folder: string): ReadonlyArray<Item> =>
  existsSync(corpusFolder + folder) ? readdirSync(corpusFolder + folder).sort().map((file) => itemOf(folder, file)) : []

/** Keeps a case that broke a rule, and gives the file that it is in. */
export const keep = (folder: string, bytes: Uint8Array, why: string): string => {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12)
  const file = `${corpusFolder}${folder}/found-${hash}.hex`
  const lines = Buffer.from(bytes).toString("hex").match(/.{1,100}/g) ?? []
  mkdirSync(corpusFolder + folder, { recursive: true })
  writeFileSync(file, [`# ${why.split("\n")[0]}`, ...lines, ""].join("\n"))
  return file
}
