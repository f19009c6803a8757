// What users of amqp091-go do: one scenario after another against the broker at AMQP_URL. Ends with 1 at the first that
// fails. Run it with: go run .
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var url = "amqp://guest:guest@localhost:5672/%2F"

// check ends the scenario with what was expected.
func check(holds bool, format string, values ...any) {
	if !holds {
		panic(fmt.Sprintf(format, values...))
	}
}

func must[T any](value T, err error) T {
	check(err == nil, "%v", err)
	return value
}

// next is the channel's next value, in time.
func next[T any](values <-chan T, what string) T {
	select {
	case value, open := <-values:
		check(open, "%s: closed", what)
		return value
	case <-time.After(10 * time.Second):
		panic(what + ": nothing came")
	}
}

func publish(channel *amqp.Channel, exchange, key string, mandatory bool, message amqp.Publishing) {
	check(channel.PublishWithContext(context.Background(), exchange, key, mandatory, false, message) == nil, "publish")
}

func temporary(channel *amqp.Channel, arguments amqp.Table) string {
	return must(channel.QueueDeclare("", false, false, true, false, arguments)).Name
}

func confirms(connection *amqp.Connection) {
	channel := must(connection.Channel())
	queue := temporary(channel, nil)
	check(channel.Confirm(false) == nil, "confirm.select")
	confirmed := channel.NotifyPublish(make(chan amqp.Confirmation, 1000))
	for number := 0; number < 1000; number++ {
		publish(channel, "", queue, false, amqp.Publishing{Body: []byte(fmt.Sprint(number)), DeliveryMode: amqp.Persistent})
	}
	for number := 1; number <= 1000; number++ {
		confirmation := next(confirmed, "confirm")
		check(confirmation.Ack && confirmation.DeliveryTag == uint64(number), "%+v for %d", confirmation, number)
	}
}

func consuming(connection *amqp.Connection) {
	channel := must(connection.Channel())
	queue := temporary(channel, nil)
	check(channel.Qos(10, 0, false) == nil, "qos")
	deliveries := must(channel.Consume(queue, "", false, false, false, false, nil))
	for number := 0; number < 100; number++ {
		publish(channel, "", queue, false, amqp.Publishing{Body: []byte(fmt.Sprint(number))})
	}
	for number := 0; number < 100; number++ {
		delivery := next(deliveries, "delivery")
		check(string(delivery.Body) == fmt.Sprint(number), "%s for %d", delivery.Body, number)
		check(delivery.Ack(false) == nil, "ack")
	}
}

func requeue(connection *amqp.Connection) {
	channel := must(connection.Channel())
	queue := temporary(channel, nil)
	publish(channel, "", queue, false, amqp.Publishing{Body: []byte("m")})
	first, found, err := channel.Get(queue, false)
	check(err == nil && found && !first.Redelivered, "first get")
	check(first.Nack(false, true) == nil, "nack")
	second, found, err := channel.Get(queue, true)
	check(err == nil && found && second.Redelivered, "second get")
}

func returned(connection *amqp.Connection) {
	channel := must(connection.Channel())
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	publish(channel, "amq.direct", "nobody", true, amqp.Publishing{Body: []byte("m"), Headers: amqp.Table{"a": int32(1)}})
	back := next(returns, "return")
	check(back.ReplyCode == 312 && back.ReplyText == "NO_ROUTE" && back.Headers["a"] == int32(1), "%+v", back)
}

func channelError(connection *amqp.Connection) {
	channel := must(connection.Channel())
	_, err := channel.QueueDeclarePassive("no-such-queue", false, false, false, false, nil)
	var refused *amqp.Error
	check(errors.As(err, &refused), "%v", err)
	check(refused.Code == 404 && refused.Reason == "NOT_FOUND - no queue 'no-such-queue' in vhost '/'", "%v", err)
	check(!connection.IsClosed(), "the connection is closed")
}

func deadLetters(connection *amqp.Connection) {
	channel := must(connection.Channel())
	dead := temporary(channel, nil)
	queue := temporary(channel, amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, "x-message-ttl": int32(50)})
	publish(channel, "", queue, false, amqp.Publishing{Body: []byte("m")})
	delivery := next(must(channel.Consume(dead, "", true, false, false, false, nil)), "dead letter")
	death := delivery.Headers["x-death"].([]any)[0].(amqp.Table)
	check(death["reason"] == "expired" && death["count"] == int64(1) && death["queue"] == queue, "%v", death)
}

func transaction(connection *amqp.Connection) {
	channel := must(connection.Channel())
	queue := temporary(channel, nil)
	check(channel.Tx() == nil, "tx.select")
	publish(channel, "", queue, false, amqp.Publishing{Body: []byte("lost")})
	check(channel.TxRollback() == nil, "tx.rollback")
	publish(channel, "", queue, false, amqp.Publishing{Body: []byte("kept")})
	check(channel.TxCommit() == nil, "tx.commit")
	delivery, found, err := channel.Get(queue, true)
	check(err == nil && found && string(delivery.Body) == "kept", "%v %s", found, delivery.Body)
}

func cancelled(connection *amqp.Connection) {
	channel := must(connection.Channel())
	queue := must(channel.QueueDeclare("go.cancelled", false, true, false, false, nil)).Name
	cancels := channel.NotifyCancel(make(chan string, 1))
	_ = must(channel.Consume(queue, "tag", false, false, false, false, nil))
	_ = must(must(connection.Channel()).QueueDelete(queue, false, false, false))
	check(next(cancels, "cancel") == "tag", "other tag")
}

func largeMessage(connection *amqp.Connection) {
	channel := must(connection.Channel())
	queue := temporary(channel, nil)
	body := make([]byte, 5<<20)
	_, _ = rand.Read(body)
	publish(channel, "", queue, false, amqp.Publishing{Body: body})
	delivery, found, err := channel.Get(queue, true)
	check(err == nil && found && bytes.Equal(delivery.Body, body), "not the same")
}

func headers(connection *amqp.Connection) {
	channel := must(connection.Channel())
	queue := temporary(channel, nil)
	table := amqp.Table{"bool": true, "byte": int8(-1), "float": float32(0.5), "double": 0.25, "long": int64(1 << 40), "nil": nil, "short": int16(3),
		"table": amqp.Table{"deep": []any{int32(1), "x"}}, "text": "hase", "time": time.Unix(86400, 0).UTC(), "bytes": []byte{0, 255}}
	publish(channel, "", queue, false, amqp.Publishing{Headers: table, Body: []byte("m")})
	delivery, found, err := channel.Get(queue, true)
	check(err == nil && found, "no message")
	delivery.Headers["time"] = delivery.Headers["time"].(time.Time).UTC()
	check(fmt.Sprint(delivery.Headers) == fmt.Sprint(table), "%v is not %v", delivery.Headers, table)
}

func wrongPassword(*amqp.Connection) {
	_, err := amqp.Dial(strings.Replace(url, "guest:guest", "guest:wrong", 1))
	check(errors.Is(err, amqp.ErrCredentials) || strings.Contains(fmt.Sprint(err), "403"), "%v", err)
}

func heartbeats(*amqp.Connection) {
	connection := must(amqp.DialConfig(url, amqp.Config{Heartbeat: time.Second, Locale: "en_US"}))
	time.Sleep(4 * time.Second)
	_ = must(connection.Channel())
	check(connection.Close() == nil, "close")
}

func main() {
	if address := os.Getenv("AMQP_URL"); address != "" {
		url = address
	}
	for _, scenario := range []struct {
		title string
		run   func(*amqp.Connection)
	}{
		{"confirms", confirms}, {"consuming with a prefetch", consuming}, {"requeue", requeue}, {"return", returned}, {"channel error", channelError},
		{"dead letters", deadLetters}, {"transaction", transaction}, {"cancelled consumer", cancelled}, {"large message", largeMessage},
		{"headers", headers}, {"wrong password", wrongPassword}, {"heartbeats", heartbeats},
	} {
		connection := must(amqp.Dial(url))
		func() {
			defer func() {
				if fault := recover(); fault != nil {
					fmt.Println("FAILED", scenario.title+":", fault)
					os.Exit(1)
				}
			}()
			scenario.run(connection)
		}()
		_ = connection.Close()
		fmt.Println("ok", scenario.title)
	}
}
