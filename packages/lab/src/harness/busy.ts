/** Milliseconds of a core that this process has had, with all of its threads. */
export const busy = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1_000
}
