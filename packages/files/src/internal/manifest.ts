/**
 * What is offered, as it was when it was looked at: the list as it goes over, in blocks, with marks in it so that a file is found by its number. A
 * hundred thousand files take some megabytes. Their hash is the list's digest, which changes with every name, size, mode and time in it.
 */
import type { Hasher } from "../FileHash.ts"
import * as Wire from "./wire.ts"

const blockSize = 65_536
/** Between two places from which the list can be read on. */
const filesPerMark = 256

interface Mark {
  readonly block: number
  readonly offset: number
  readonly folders: ReadonlyArray<string>
}

/** A file, with the names of the folders that it is in. */
export interface Located {
  readonly path: ReadonlyArray<string>
  readonly entry: Wire.FileEntry
}

/** A list that is whole. */
export interface Manifest {
  readonly digest: Uint8Array
  readonly blocks: ReadonlyArray<Uint8Array>
  readonly files: number
  readonly folders: number
  readonly links: number
  readonly bytes: number
  /** Names at the top. */
  readonly names: ReadonlyArray<string>
  /** Finds files by their numbers, fast where they are asked for in order. */
  readonly locator: () => (file: number) => Located | undefined
}

/** Puts a list together. */
export class Builder {
  entries = 0
  #files = 0
  #folders = 0
  #links = 0
  #bytes = 0
  #depth = 0
  readonly #names: Array<string> = []
  readonly #blocks: Array<Uint8Array> = []
  readonly #marks: Array<Mark> = []
  readonly #stack: Array<string> = []
  readonly #hash: Hasher
  #out = new Wire.Writer(blockSize + Wire.longestEntry)
  constructor(hash: Hasher) {
    this.#hash = hash
  }

  add(entry: Wire.Entry): void {
    this.entries++
    if (this.#out.length >= blockSize) this.#flush()
    if (entry._tag === "File") {
      if (this.#files % filesPerMark === 0) {
        this.#marks.push({ block: this.#blocks.length, offset: this.#out.length, folders: this.#stack.slice() })
      }
      this.#files++
      this.#bytes += entry.size
    }
    if (this.#depth === 0 && "name" in entry) this.#names.push(entry.name)
    if (entry._tag === "Folder") {
      this.#folders++
      this.#depth++
      this.#stack.push(entry.name)
    }
    if (entry._tag === "Link") this.#links++
    if (entry._tag === "Leave") {
      this.#depth--
      this.#stack.pop()
    }
    Wire.writeEntry(this.#out, entry)
  }

  #flush(): void {
    const block = this.#out.take()
    this.#hash.update(block)
    this.#blocks.push(block.slice())
    this.#out = new Wire.Writer(blockSize + Wire.longestEntry)
  }

  finish(): Manifest {
    this.add({ _tag: "End" })
    this.#flush()
    const blocks = this.#blocks
    const marks = this.#marks
    const files = this.#files
    return {
      digest: this.#hash.digest(),
      blocks,
      files,
      folders: this.#folders,
      links: this.#links,
      bytes: this.#bytes,
      names: this.#names,
      locator: () => locator(blocks, marks, files)
    }
  }
}

const locator = (blocks: ReadonlyArray<Uint8Array>, marks: ReadonlyArray<Mark>, files: number) => {
  let block = 0
  let cursor = new Wire.Cursor(new Uint8Array(0))
  let folders: Array<string> = []
  let next = Infinity
  const seek = (file: number) => {
    const mark = marks[Math.floor(file / filesPerMark)]!
    block = mark.block
    cursor = new Wire.Cursor(blocks[block]!, mark.offset)
    folders = mark.folders.slice()
    next = file - file % filesPerMark
  }
  return (file: number): Located | undefined => {
    if (!Number.isInteger(file) || file < 0 || file >= files) return undefined
    // From the mark before it, or from where the last one was, whichever is nearer.
    if (file < next || file - next > filesPerMark) seek(file)
    while (true) {
      if (cursor.left === 0) cursor = new Wire.Cursor(blocks[++block]!)
      const entry = Wire.readEntry(cursor)
      if (entry._tag === "Folder") folders.push(entry.name)
      else if (entry._tag === "Leave") folders.pop()
      else if (entry._tag === "File" && next++ === file) return { path: [...folders, entry.name], entry }
    }
  }
}
