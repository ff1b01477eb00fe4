/** Maps whose keys others choose, and which keep the newest: the order of insertion is that of their age. */

/** Puts an entry last, and drops the oldest where there are more than so many. */
export const remember = <K, V>(map: Map<K, V>, key: K, value: V, capacity: number): void => {
  map.delete(key)
  map.set(key, value)
  if (map.size <= capacity) return
  const oldest = map.keys().next()
  if (oldest.done !== true) map.delete(oldest.value)
}
