/** The port as those see it who may know only the client: tasks, http, cli. What carries it is none of their business. */
export type {
  MeasuredQueue,
  Port,
  SettleRequest,
  SimpleStep,
  Step,
  StoredRecord,
  TransactionPort,
} from '../broker/port.ts'
export { FAILED_TOPIC } from '../broker/port.ts'
