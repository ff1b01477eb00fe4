/**
 * Runs programs one after another in this process, each once the one before it has ended by itself: nothing is left that the event loop
 * waits for. What they all load is loaded, and compiled by V8, once, which is most of what a short program costs. `turns.ts` starts it,
 * says which programs, and reads what they print, with a line (`endOf`) behind what each has printed.
 *
 * What bites: a program that ends the process, by `process.exit` or an error, ends this one; who started it goes on with the rest in another.
 */
import { inspect } from "node:util"
import { endOf, type Program } from "./turn.ts"

const programs = JSON.parse(process.argv[2]!) as ReadonlyArray<Program>
let at = -1
let settled = true

// Into one pipe, so that what is written first is read first.
process.stderr.write = process.stdout.write.bind(process.stdout)
process.on("uncaughtExceptionMonitor", (error) => process.stdout.write(`${inspect(error)}\n`))

const next = () => {
  const program = programs[++at]
  if (program === undefined) return
  const { args = [], env = {}, file } = program
  process.argv.splice(1, Infinity, file, ...args)
  Object.assign(process.env, env)
  settled = false
  // Where it is rejected, that ends this process, as it would one of its own.
  void import(file).then(() => void (settled = true))
}

process.on("beforeExit", (code) => {
  if (at === programs.length) return
  // As Node says it of a program that waits for what nothing brings about any more.
  process.stdout.write(endOf(settled ? code : 13))
  process.exitCode = undefined
  next()
  // Where it waits for nothing either, it has ended by now, and Node would not ask again.
  setImmediate(() => {})
})
process.on("exit", (code) => {
  if (at < programs.length) process.stdout.write(endOf(code))
})

next()
