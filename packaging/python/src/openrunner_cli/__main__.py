from openrunner_cli import main

main()
