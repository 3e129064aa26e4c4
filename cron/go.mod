module github.com/a622d8ee/dray/cron

go 1.26

require (
	github.com/a622d8ee/dray v0.1.0
	github.com/netresearch/go-cron v0.15.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
