from slotmachines.cli import main

main()
