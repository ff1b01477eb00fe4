/**
 * What several processes want at the same time, and one of them makes: the others wait for it. The workers of a fresh clone begin
 * together, and all of them find its caches empty.
 *
 * What bites: who waits holds up its whole process. The lock of a process that was killed, or that has taken two minutes or what else it is given, is nobody's.
 */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Whether nobody will take a lock away any more. */
const isLeft = (lock: string, millis: number): boolean => {
  const found = statSync(lock, { throwIfNoEntry: false })
  if (found === undefined) return false
  if (found.mtimeMs < performance.timeOrigin + performance.now() - millis) return true
  try {
    const pid = readFileSync(lock, "utf8")
    // It is there before what is written in it.
    return pid !== "" && !isAlive(Number(pid))
  } catch {
    return false
  }
}

/** Takes a lock; gives what takes it away, or nothing where another has it. */
const enter = (lock: string, millis: number): (() => void) | undefined => {
  mkdirSync(dirname(lock), { recursive: true })
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" })
    return () => rmSync(lock, { force: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    if (isLeft(lock, millis)) rmSync(lock, { force: true })
    return undefined
  }
}

/** Until it is asked again whether a lock is free. */
const pause = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)

/** Waits for a lock, and gives what takes it away. `look` is called each time that it is asked for. */
export const hold = (lock: string, millis: number, look: () => void): () => void => {
  for (;;) {
    look()
    const leave = enter(lock, millis)
    if (leave !== undefined) return leave
    pause()
  }
}

/** What is found, or else what is made, by one process at a time. */
export const once = <A>(lock: string, find: () => A | undefined, make: () => A, millis = 120_000): A => {
  for (;;) {
    const found = find()
    if (found !== undefined) return found
    const leave = enter(lock, millis)
    if (leave === undefined) {
      pause()
      continue
    }
    try {
      return find() ?? make()
    } finally {
      leave()
    }
  }
}
