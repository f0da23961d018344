// Go's amqp091-go. Argument: the port.
package main

import (
	"fmt"
	"os"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	connection, err := amqp.Dial("amqp://guest:guest@127.0.0.1:" + os.Args[1] + "/")
	must(err)
	channel, err := connection.Channel()
	must(err)
	must(channel.Confirm(false))
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, 20))
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	must(channel.ExchangeDeclare("events", "topic", true, false, false, false, nil))
	queue, err := channel.QueueDeclare("orders", true, false, false, false, amqp.Table{"x-max-priority": int32(5), "x-dead-letter-exchange": ""})
	must(err)
	must(channel.QueueBind(queue.Name, "order.#", "events", false, nil))
	for i := 0; i < 10; i++ {
		headers := amqp.Table{"n": int64(i), "deep": amqp.Table{"a": []interface{}{int32(1), "x"}}}
		must(channel.Publish("events", "order.new", false, false, amqp.Publishing{Body: []byte(fmt.Sprint("m", i)), DeliveryMode: 2, Headers: headers}))
	}
	confirmed := true
	for i := 0; i < 10; i++ {
		confirmed = (<-confirms).Ack && confirmed
	}
	fmt.Println("confirmed", confirmed)
	must(channel.Qos(3, 0, false))
	deliveries, err := channel.Consume(queue.Name, "c", false, false, false, false, nil)
	must(err)
	var arrived []string
	for i := 0; i < 10; i++ {
		delivery := <-deliveries
		deep := delivery.Headers["deep"].(amqp.Table)["a"].([]interface{})
		arrived = append(arrived, fmt.Sprintf("%s:%d:%d", delivery.Body, delivery.Headers["n"], len(deep)))
		must(delivery.Ack(false))
	}
	fmt.Println(strings.Join(arrived, " "))
	must(channel.Cancel("c", false))
	must(channel.Publish("events", "none", true, false, amqp.Publishing{Body: []byte("lost")}))
	returned := <-returns
	fmt.Println("returned", returned.ReplyCode, string(returned.Body))
	other, err := connection.Channel()
	must(err)
	_, err = other.QueueDeclarePassive("gone", false, false, false, false, nil)
	fmt.Println(err.(*amqp.Error).Reason)
	_, err = channel.QueueDelete("orders", false, false, false)
	must(err)
	must(channel.ExchangeDelete("events", false, false))
	must(connection.Close())
}
