/** A key of the whole store: made once by whoever comes first, the same for every process on it. */
import type { Port } from '../../broker/port.ts'
import { isFault } from '../../model/errors.ts'
import type { Random } from '../../runtime/random.ts'
import { SEAL_KEY_BYTES } from './receipt-handle.ts'

export async function storedSealKey(
  key: string,
  { port, random }: { readonly port: Port; readonly random: Random },
): Promise<Uint8Array> {
  const known = await port.read(key)
  if (known !== undefined) return known.value
  const value = random.bytes(SEAL_KEY_BYTES)
  try {
    await port.transact([{ kind: 'record', key, value, expect: 0 }])
    return value
  } catch (fault) {
    if (!isFault(fault, 'aborted')) throw fault
    const other = await port.read(key)
    if (other === undefined) throw fault
    return other.value
  }
}
