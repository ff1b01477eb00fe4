/**
 * What a thread does that reads and writes small files: everything with the system's calls that wait, since nobody else waits for it. It is started from
 * the text of these functions, so that it needs no file of its own where a program is one: there is nothing in one of them of what is around it.
 */

/** What a thread is asked for; numbers and bytes of all files are one behind the other. */
export type Question =
  | { readonly kind: "look"; readonly paths: ReadonlyArray<string>; readonly follow: boolean }
  | {
    readonly kind: "read"
    readonly paths: ReadonlyArray<string>
    readonly follow: boolean
    /** `size`, `mtime`. */
    readonly numbers: Float64Array
  }
  | {
    readonly kind: "land"
    /** `part`, `final`. */
    readonly paths: ReadonlyArray<string>
    /** `size`, `mode`, `chmod` or -1, `seconds`, `replace`. */
    readonly numbers: Float64Array
    readonly bytes: Uint8Array
    readonly digests: Uint8Array
    readonly durable: boolean
  }

/** What it answers: which are done; of `look` the `size`, `mode` and `mtime`; of `read` the bytes and their hashes. */
export interface Answer {
  readonly done: Uint8Array
  readonly numbers: Float64Array
  readonly bytes: Uint8Array
  readonly digests: Uint8Array
}

interface Stat {
  readonly isFile: () => boolean
  readonly isDirectory: () => boolean
  readonly size: bigint
  readonly mode: bigint
  readonly mtime: { readonly getTime: () => number }
}

/** Times as `FileSystem` has them, which are cut to milliseconds and not rounded. */
interface Exact {
  readonly bigint: true
}

interface Sync {
  readonly constants: Readonly<Record<string, number>>
  readonly lstatSync: (path: string, exact: Exact) => Stat
  readonly statSync: (path: string, exact: Exact) => Stat
  readonly fstatSync: (file: number, exact: Exact) => Stat
  readonly openSync: (path: string, flags: number, mode?: number) => number
  readonly closeSync: (file: number) => void
  readonly readSync: (file: number, into: Uint8Array, offset: number, length: number, at: number) => number
  readonly writeSync: (file: number, bytes: Uint8Array, offset: number, length: number, at: number) => number
  readonly fsyncSync: (file: number) => void
  readonly futimesSync: (file: number, atime: number, mtime: number) => void
  readonly fchmodSync: (file: number, mode: number) => void
  readonly linkSync: (from: string, to: string) => void
  readonly renameSync: (from: string, to: string) => void
  readonly unlinkSync: (path: string) => void
}

/** What the functions below have of their thread. */
interface Here {
  readonly fs: Sync
  readonly sha256: (bytes: Uint8Array) => Uint8Array
  /** Has all that is on the file system of a path be on its disk, where that can be had; nobody relies on it. */
  readonly flush: ((path: string) => void) | undefined
  /** Milliseconds, since some time. */
  readonly now: () => number
}

type Tools = ReturnType<typeof toolsOf>
type Of<Kind extends Question["kind"]> = Extract<Question, { readonly kind: Kind }>

/** What each of them uses. */
export const toolsOf = ({ flush, fs, now, sha256 }: Here) => {
  const exact = { bigint: true } as const
  /** Whether it went well. */
  const went = (work: () => void): boolean => {
    try {
      work()
      return true
    } catch {
      return false
    }
  }
  /** Whether there was as much of a file as there is room. */
  const fill = (file: number, into: Uint8Array): boolean => {
    for (let at = 0; at < into.length;) {
      const length = fs.readSync(file, into, at, into.length - at, at)
      if (length === 0) return false
      at += length
    }
    return true
  }
  const info = (path: string, follow: boolean) => follow ? fs.statSync(path, exact) : fs.lstatSync(path, exact)
  const infoOf = (file: number) => fs.fstatSync(file, exact)
  const flags = (...names: ReadonlyArray<string>) => names.reduce((flags, name) => flags | (fs.constants[name] ?? 0), 0)
  // Made anew for each, since an answer is handed over.
  const none = () => ({ numbers: new Float64Array(0), bytes: new Uint8Array(0), digests: new Uint8Array(0) })
  /** For less no program is run. */
  const flushMillis = 8
  return { flush, flushMillis, fs, now, sha256, went, fill, info, infoOf, flags, none }
}

/** Looks at paths. */
export const lookBy = ({ info, none, went }: Tools) => ({ follow, paths }: Of<"look">): Answer => {
  const done = new Uint8Array(paths.length)
  const numbers = new Float64Array(paths.length * 3)
  paths.forEach((path, index) =>
    went(() => {
      const it = info(path, follow)
      if (!it.isFile()) return
      numbers.set([Number(it.size), Number(it.mode), it.mtime.getTime()], index * 3)
      done[index] = 1
    })
  )
  return { ...none(), done, numbers }
}

/** Reads files, and hashes them. */
export const readBy = ({ fill, flags, fs, info, infoOf, none, sha256, went }: Tools) =>
(
  { follow, numbers, paths }: Of<"read">
): Answer => {
  const done = new Uint8Array(paths.length)
  const digests = new Uint8Array(paths.length * 32)
  let total = 0
  for (let i = 0; i < paths.length; i++) total += numbers[i * 2]!
  const bytes = new Uint8Array(total)
  const how = flags("O_RDONLY", "O_NONBLOCK", ...follow ? [] : ["O_NOFOLLOW"])
  let at = 0
  paths.forEach((path, index) => {
    const [size, mtime] = [numbers[index * 2]!, numbers[index * 2 + 1]!]
    const isSame = (it: Stat) => it.isFile() && Number(it.size) === size && it.mtime.getTime() === mtime
    const into = bytes.subarray(at, at += size)
    went(() => {
      // Looked at first, since a device may do anything. A pipe that is there behind that waits for nobody who writes.
      if (!isSame(info(path, follow))) return
      const file = fs.openSync(path, how)
      went(() => {
        if (!fill(file, into) || !isSame(infoOf(file))) return
        digests.set(sha256(into), index * 32)
        done[index] = 1
      })
      fs.closeSync(file)
    })
  })
  return { ...none(), done, bytes, digests }
}

/** Writes files, checks and names them. */
export const landBy = ({ fill, flags, flush, flushMillis, fs, info, none, now, sha256, went }: Tools) => {
  /** What a sync of one file takes by itself, and for so many lots it is done so, since for all at once it took longer, as it does where others write much. */
  let each = 0
  let alone = 0
  let longer = 1
  /** Syncs files; where that is expected to take long the file system is told before to sync all at once, and none is taken to be there by that. */
  const syncAll = (count: number, path: string, syncEach: () => void) => {
    const began = now()
    const isTogether = flush !== undefined && each * count > flushMillis && alone-- <= 0
    if (isTogether) went(() => flush(path))
    syncEach()
    const took = (now() - began) / count
    if (!isTogether) {
      each = took
      return
    }
    const isLong = took > each
    alone = isLong ? longer : 0
    longer = isLong ? Math.min(longer * 2, 256) : 1
  }
  return ({ bytes, digests, durable, numbers, paths }: Of<"land">): Answer => {
    const count = digests.length / 32
    const done = new Uint8Array(count)
    const open: Array<number | undefined> = []
    const how = flags("O_RDWR", "O_CREAT", "O_EXCL")
    let at = 0
    const isRight = (digest: Uint8Array, index: number): boolean => {
      for (let i = 0; i < 32; i++) if (digest[i] !== digests[index * 32 + i]) return false
      return true
    }
    const written = (index: number, file: number): boolean => {
      const size = numbers[index * 5]!
      const chmod = numbers[index * 5 + 2]!
      const seconds = numbers[index * 5 + 3]!
      const part = bytes.subarray(at, at + size)
      for (let from = 0; from < size;) from += fs.writeSync(file, part, from, size - from, from)
      // What is on the disk, and not what was to be written; into the room that it came from, since that is not looked at again.
      if (!fill(file, part) || !isRight(sha256(part), index)) return false
      fs.futimesSync(file, seconds, seconds)
      if (chmod >= 0) fs.fchmodSync(file, chmod)
      return true
    }
    const part = (index: number) => paths[index * 2]!
    const drop = (index: number, file: number) => {
      open[index] = undefined
      went(() => fs.closeSync(file))
      went(() => fs.unlinkSync(part(index)))
    }
    for (let index = 0; index < count; index++) {
      went(() => open[index] = fs.openSync(part(index), how, numbers[index * 5 + 1]))
      const file = open[index]
      let isWritten = false
      if (file !== undefined && !(went(() => isWritten = written(index, file)) && isWritten)) drop(index, file)
      at += numbers[index * 5]!
    }
    // When all are written, so that the system has the most to do at once.
    const syncEach = () => {
      for (let index = 0; index < count; index++) {
        const file = open[index]
        if (file !== undefined && !went(() => fs.fsyncSync(file))) drop(index, file)
      }
    }
    if (durable) syncAll(count, paths[0]!, syncEach)
    const name = (index: number) => {
      const final = paths[index * 2 + 1]!
      if (numbers[index * 5 + 4] === 1) return fs.renameSync(part(index), final)
      // A second name first, which fails where it is taken, and then not the first. Not every file system has second names.
      if (went(() => fs.linkSync(part(index), final))) {
        done[index] = 1
        return fs.unlinkSync(part(index))
      }
      if (went(() => info(final, false))) throw new Error("taken")
      fs.renameSync(part(index), final)
    }
    for (let index = 0; index < count; index++) {
      const file = open[index]
      if (file === undefined) continue
      if (went(() => name(index))) done[index] = 1
      if (done[index] === 0) drop(index, file)
      else went(() => fs.closeSync(file))
    }
    return { ...none(), done }
  }
}
